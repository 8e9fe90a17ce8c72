foreach(name lower_models)
    flexc_unit_test(${name} LIBS flexc_passes flexc_onnx
        flexc_test_layers)
endforeach()
