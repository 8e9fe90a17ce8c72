# The naive operators (reference.h), the interpreter (ref_graph.h), and refrun,
# which runs a model with them. -O3 for convolution; no other reason.
add_library(flexc_reference STATIC
    ref_dense.c ref_element.c ref_graph.c ref_move.c ref_node.c
    ref_node_math.c ref_node_move.c ref_resize.c ref_tensor.c ref_window.c)
target_link_libraries(flexc_reference PUBLIC onnx_schema m)
set_source_files_properties(ref_window.c PROPERTIES COMPILE_OPTIONS -O3)

add_executable(refrun refrun.c)
target_link_libraries(refrun PRIVATE flexc_reference)
set_target_properties(refrun PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

# The reference is itself judged: by ONNX Runtime's outputs of trained models,
# by ONNX's own operator tests, and by its whole networks. What it does not
# cover is reported as unsupported; a wrong value fails.
set(reference_models
    squeezenet1_1_f32 tiny_ic_resnet8_f32 tiny_kws_dscnn_f32
    tiny_vww_mobilenetv1_f32 tiny_ad_autoencoder_f32 sine_mlp_f32 mnist_cnn
    micro_kws_m_fp32 super_resolution blazeface_front_128 nanodet_m fastestdet
    ultraface_rfb320 ppocr_v2_cls ppocr_v4_det tiny_ic_resnet8_int8
    tiny_kws_dscnn_int8 tiny_sww_dscnn1d_int8 tiny_vww_mobilenetv1_int8
    tiny_ad_autoencoder_int8 micro_kws_m_qdq)
list(TRANSFORM reference_models PREPEND models/)
set(reference_check refrun --root ${PROJECT_SOURCE_DIR}/../shared --check)
flexc_test(reference-models COMMAND ${reference_check} ${reference_models})
flexc_test(reference-operators COMMAND ${reference_check} conformance/node)
flexc_test(reference-networks COMMAND ${reference_check} conformance/light)
