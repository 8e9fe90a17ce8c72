flexc_test(install TIMEOUT 600 COMMAND
    ${CMAKE_CURRENT_SOURCE_DIR}/install/install.sh)
flexc_test(demo COMMAND
    ${CMAKE_CURRENT_SOURCE_DIR}/demo_offline.sh ${PROJECT_BINARY_DIR})
flexc_test(readme COMMAND
    ${CMAKE_CURRENT_SOURCE_DIR}/readme.sh ${PROJECT_BINARY_DIR})
