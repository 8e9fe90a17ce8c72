# layers_build: small networks as the planner sees them. plan_emulate: executes
# plans on a memory of tags. exact_pack: packs rectangles if they can be packed.
if(CMOCKA_FOUND)
    flexc_add_library(flexc_test_nets
        exact_pack.c
        layers_build.c
        plan_emulate.c
        LIBS flexc_ir flexc_base flexc_test_support)
endif()
