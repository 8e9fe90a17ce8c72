flexc_unit_test(lower LIBS flexc_test_onnx flexc_test_layers flexc_reference)
flexc_unit_test(einsum LIBS flexc_test_onnx flexc_test_layers)
flexc_unit_test(lower_models LIBS flexc_passes flexc_onnx flexc_test_layers)
flexc_unit_test(lower_zoo LIBS flexc_passes flexc_onnx flexc_models
    flexc_test_layers flexc_reference)
