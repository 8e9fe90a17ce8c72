foreach(name args compare image onnx switch tensor)
    flexc_unit_test(run_${name} LIBS flexc_run)
endforeach()
flexc_unit_test(run_table LIBS flexc_run flexc_codegen)
