flexc_unit_test(graph LIBS flexc_ir)
