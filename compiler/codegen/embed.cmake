# Writes OUT: the table of cg_runtime.h, from the runtime's headers under ROOT.
# cmake -DROOT=runtime -DOUT=file.c -P embed.cmake
file(GLOB headers RELATIVE ${ROOT}/include ${ROOT}/include/flexrt/*.h
    ${ROOT}/include/flexrt/*.def)
file(GLOB bodies RELATIVE ${ROOT} ${ROOT}/kernels/*.h)
list(SORT headers)
list(SORT bodies)
set(arrays "")
set(rows "")
set(ix 0)
foreach(name ${headers} ${bodies})
    if(EXISTS ${ROOT}/include/${name})
        set(path ${ROOT}/include/${name})
    else()
        set(path ${ROOT}/${name})
    endif()
    file(READ ${path} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    string(APPEND arrays "static const uint8_t file_${ix}[] = {\n${bytes}};\n")
    string(APPEND rows "    {\"${name}\", file_${ix}, sizeof file_${ix}},\n")
    math(EXPR ix "${ix} + 1")
endforeach()
file(WRITE ${OUT} "#include \"codegen/cg_runtime.h\"\n\n#include <stddef.h>\n\n"
    "${arrays}\nconst struct cg_runtime cg_runtime_files[] = {\n${rows}"
    "    {NULL, NULL, 0},\n};\n")
