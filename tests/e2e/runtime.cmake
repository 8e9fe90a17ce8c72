# Under a cap that the kernel enforces; a sanitizer's own memory is no part of
# any budget.
if(NOT FLEXC_SANITIZE AND TARGET flexrun AND TARGET flexzoo)
    flexc_test(cap COMMAND ${PROJECT_SOURCE_DIR}/scripts/cap-run
        ${PROJECT_BINARY_DIR} squeezenet:10M,min)
endif()
if(TARGET flexc AND TARGET flexzoo AND TARGET flexrt)
    flexc_test(share TIMEOUT 600 COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/share/share.sh $<TARGET_FILE:flexc>
        $<TARGET_FILE:flexzoo> $<TARGET_FILE:flexrt>)
endif()
