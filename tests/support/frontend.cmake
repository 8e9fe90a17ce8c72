# onnx_text: ONNX models from a few lines of text.
if(CMOCKA_FOUND)
    flexc_add_library(flexc_test_onnx
        onnx_text.c
        LIBS flexc_passes flexc_onnx flexc_test_support)
endif()
