flexc_test(install TIMEOUT 600 COMMAND
    ${CMAKE_CURRENT_SOURCE_DIR}/install/install.sh)
