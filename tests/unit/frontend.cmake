# The passes are tested on models, so they belong to this area.
foreach(name onnx_import pass_shapes pass_fold pass_fuse_quant pass_if pass_loop
        pass_models)
    flexc_unit_test(${name} LIBS flexc_test_onnx)
endforeach()
