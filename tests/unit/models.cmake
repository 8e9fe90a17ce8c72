flexc_unit_test(onnx_writer LIBS flexc_models)
flexc_unit_test(zoo LIBS flexc_models)
flexc_unit_test(zoo_fill LIBS flexc_models)
