# Under a cap that the kernel enforces; a sanitizer's own memory is no part of
# any budget.
if(NOT FLEXC_SANITIZE AND TARGET flexrun AND TARGET flexzoo)
    flexc_test(cap COMMAND ${PROJECT_SOURCE_DIR}/scripts/cap-run
        ${PROJECT_BINARY_DIR} squeezenet:10M,min)
endif()
