foreach(name flx_run flx_switch)
    flexc_unit_test(${name} LIBS flexc_test_runtime)
endforeach()
