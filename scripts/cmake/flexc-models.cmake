# flexc_add_model(TARGET model.onnx BUDGETS 50M 100M
#                 [NAME id] [OPTIONS option...])
#
# Adds TARGET, a library with the compiled model, linked with flexc::flexrt.
# NAME (default TARGET) is the prefix of symbols and files: the source includes
# "NAME.h". OPTIONS go to flexc, for example --target cortex-m4.
#
# flexc runs while CMake configures, and again when the model, the program or
# the options change: the flags that bits and speed depend on are in the
# CMakeLists.txt that it writes, and nowhere else. The weights are in the file
# named by the target's property FLEXC_BLOB; ship it with the program, or give
# OPTIONS --inline-blob.
function(flexc_add_model target model)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "NAME" "BUDGETS;OPTIONS")
    if(NOT arg_BUDGETS)
        message(FATAL_ERROR "flexc_add_model(${target}): BUDGETS are missing")
    endif()
    if(NOT arg_NAME)
        set(arg_NAME ${target})
    endif()
    get_filename_component(model ${model} ABSOLUTE)
    set(dir ${CMAKE_CURRENT_BINARY_DIR}/${target}.flex)
    list(JOIN arg_BUDGETS "," budgets)
    set(command ${FLEXC_PROGRAM} ${model} --budgets ${budgets}
        --name ${arg_NAME} -o ${dir} ${arg_OPTIONS})

    set(stamp ${dir}/command.txt)
    set(last "")
    if(EXISTS ${stamp})
        file(READ ${stamp} last)
    endif()
    if(NOT last STREQUAL "${command}" OR ${model} IS_NEWER_THAN ${stamp} OR
            ${FLEXC_PROGRAM} IS_NEWER_THAN ${stamp})
        message(STATUS "flexc ${arg_NAME} --budgets ${budgets}")
        execute_process(COMMAND ${command} RESULT_VARIABLE result
            OUTPUT_VARIABLE table ERROR_VARIABLE error)
        if(NOT result EQUAL 0)
            message(FATAL_ERROR "flexc_add_model(${target}): ${error}")
        endif()
        message(STATUS "${table}")
        file(WRITE ${stamp} "${command}")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
        ${model} ${FLEXC_PROGRAM})

    add_subdirectory(${dir} ${dir}/build)
    set_target_properties(flex_${arg_NAME} PROPERTIES
        FLEXC_BLOB ${dir}/${arg_NAME}.flxw)
    if(NOT target STREQUAL "flex_${arg_NAME}")
        add_library(${target} ALIAS flex_${arg_NAME})
    endif()
endfunction()
