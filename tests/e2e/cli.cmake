flexc_test(flexc COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/flexc.sh
    $<TARGET_FILE:flexc> $<TARGET_FILE:flexzoo> ${ONNX_PROTO_DIR})
flexc_test(commands COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/commands.sh
    $<TARGET_FILE:flexc> $<TARGET_FILE:flexzoo>)
flexc_test(report COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/report.sh
    $<TARGET_FILE:flexc> $<TARGET_FILE:flexzoo> ${ONNX_PROTO_DIR})
flexc_test(profile COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/profile.sh
    $<TARGET_FILE:flexc> $<TARGET_FILE:flexzoo>)
flexc_test(weights COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/weights.sh
    $<TARGET_FILE:flexc> $<TARGET_FILE:flexrun> $<TARGET_FILE:flexzoo>)
flexc_test(wide COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/wide.sh
    $<TARGET_FILE:flexc> ${ONNX_PROTO_DIR})
