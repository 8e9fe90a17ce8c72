flexc_unit_test(catalogue LIBS flexc_kernels)
