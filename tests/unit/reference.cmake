flexc_unit_test(reference LIBS flexc_reference)
