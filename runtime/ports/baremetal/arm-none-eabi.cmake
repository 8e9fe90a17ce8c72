# Toolchain file: Debian's gcc-arm-none-eabi, Cortex-M4F unless FLEXRT_CPU is
# cortex-m7.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FLEXRT_CPU)
set(FLEXRT_CPU cortex-m4 CACHE STRING "cortex-m4 or cortex-m7")
if(FLEXRT_CPU STREQUAL "cortex-m7")
    set(flexrt_fpu fpv5-d16)
else()
    set(flexrt_fpu fpv4-sp-d16)
endif()
set(CMAKE_C_FLAGS_INIT "-mcpu=${FLEXRT_CPU} -mthumb -mfloat-abi=hard \
-mfpu=${flexrt_fpu} -ffunction-sections -fdata-sections")
