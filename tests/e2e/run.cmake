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
    foreach(set models light node)
        flexc_test(conformance-${set} TIMEOUT 900 COMMAND
            ${CMAKE_CURRENT_SOURCE_DIR}/conformance.sh $<TARGET_FILE:flexrun>
            $<TARGET_FILE:refrun> ${set})
    endforeach()
endif()
