# layers_build: small networks as the planner sees them.
if(CMOCKA_FOUND)
    flexc_add_library(flexc_test_nets
        layers_build.c
        LIBS flexc_ir flexc_base flexc_test_support)
endif()
