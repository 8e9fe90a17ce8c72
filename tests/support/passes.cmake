# layer_eval: -O3 for convolution; no other reason.
if(CMOCKA_FOUND)
    flexc_add_library(flexc_test_layers
        layer_eval.c
        LIBS flexc_ir flexc_base flexc_test_support m)
    set_source_files_properties(layer_eval.c PROPERTIES COMPILE_OPTIONS -O3)
endif()
