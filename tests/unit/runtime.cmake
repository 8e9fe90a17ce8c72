foreach(name flx_alloc flx_enter flx_open flx_pick flx_plan flx_posix flx_run flx_share flx_switch
        flx_zstd)
    flexc_unit_test(${name} LIBS flexc_test_runtime)
endforeach()

# The checksum with one table, as on microcontrollers, too.
add_library(flexc_test_crc_small STATIC
    ${PROJECT_SOURCE_DIR}/runtime/core/flx_crc.c)
target_include_directories(flexc_test_crc_small PRIVATE
    ${PROJECT_SOURCE_DIR}/runtime/include)
target_compile_definitions(flexc_test_crc_small PRIVATE FLX_CRC_SMALL)
flexc_unit_test(flx_crc LIBS flexrt_posix)
if(CMOCKA_FOUND)
    add_executable(test_flx_crc_small test_flx_crc.c)
    target_link_libraries(test_flx_crc_small PRIVATE
        flexc_test_crc_small flexrt_posix PkgConfig::CMOCKA)
    flexc_test(flx_crc_small COMMAND test_flx_crc_small)
endif()

# The bare-metal port's store is plain C, and tested here.
add_library(flexc_test_flash STATIC
    ${PROJECT_SOURCE_DIR}/runtime/ports/baremetal/flash_polled.c)
target_include_directories(flexc_test_flash PUBLIC
    ${PROJECT_SOURCE_DIR}/runtime ${PROJECT_SOURCE_DIR}/runtime/include)
flexc_unit_test(store_mem LIBS flexrt_storage flexc_test_flash)

if(NOT FLEXC_SANITIZE)
    flexc_test(runtime_alone TIMEOUT 900 COMMAND
        ${CMAKE_CURRENT_SOURCE_DIR}/runtime_alone.sh)
endif()
