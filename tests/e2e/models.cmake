flexc_test(flexzoo COMMAND
    ${CMAKE_CURRENT_SOURCE_DIR}/cli/flexzoo.sh $<TARGET_FILE:flexzoo>)
