flexc_test(kernels_asm COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kernels_asm.sh
    ${PROJECT_SOURCE_DIR})
flexc_test(kernels_count COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kernels_count.sh
    ${PROJECT_SOURCE_DIR})
