flexc_test(flexzoo COMMAND
    ${CMAKE_CURRENT_SOURCE_DIR}/cli/flexzoo.sh $<TARGET_FILE:flexzoo>)
if(TARGET flexc AND TARGET flexzoo)
    foreach(set small large)
        flexc_test(goldens-${set} TIMEOUT 900 COMMAND
            ${PROJECT_SOURCE_DIR}/scripts/update-goldens ${PROJECT_BINARY_DIR}
            --check ${set})
    endforeach()
endif()
