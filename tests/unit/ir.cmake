flexc_unit_test(graph LIBS flexc_ir)
flexc_unit_test(layer LIBS flexc_ir)
