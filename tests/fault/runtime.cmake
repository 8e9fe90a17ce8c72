foreach(name flash flx_reads flx_plans posix_reads switch_threads)
    flexc_fault_test(${name} LIBS flexc_test_runtime flexc_test_flash)
endforeach()
