if(TARGET flexc AND TARGET flexrun AND TARGET flexzoo)
    set(run_tools $<TARGET_FILE:flexc> $<TARGET_FILE:flexrun>
        $<TARGET_FILE:flexzoo>)
    flexc_test(flexrun COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/flexrun.sh
        ${run_tools} ${ONNX_PROTO_DIR})
    flexc_test(switch TIMEOUT 600 COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/switch.sh ${run_tools})
    flexc_test(entries COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/entries.sh ${run_tools})
    flexc_test(zoo TIMEOUT 900 COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/zoo.sh ${run_tools} $<TARGET_FILE:refrun>)
    flexc_test(state COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/state.sh ${run_tools} $<TARGET_FILE:refrun>)
    flexc_test(guard COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/guard.sh
        $<TARGET_FILE:flexc> $<TARGET_FILE:flexrun>)
    flexc_test(prefill COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/prefill.sh ${run_tools} $<TARGET_FILE:refrun>)
    foreach(set models light node)
        flexc_test(conformance-${set} TIMEOUT 900 COMMAND
            ${CMAKE_CURRENT_SOURCE_DIR}/conformance.sh $<TARGET_FILE:flexrun>
            $<TARGET_FILE:refrun> ${set})
    endforeach()
endif()
if(TARGET flexrun AND CMOCKA_FOUND)
    add_executable(odd_cases odd_cases.c)
    target_include_directories(odd_cases PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(odd_cases PRIVATE flexc_test_onnx flexc_reference
        PkgConfig::CMOCKA)
    flexc_test(odd TIMEOUT 600 COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/odd.sh
        $<TARGET_FILE:odd_cases> $<TARGET_FILE:flexrun>)
endif()
