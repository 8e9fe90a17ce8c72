if(CMOCKA_FOUND)
    flexc_add_library(flexc_test_runtime
        fault_store.c
        rt_model.c
        rt_session.c
        LIBS flexrt_posix flexc_test_support PkgConfig::ZSTD)
endif()
