foreach(name size arena diag span buf strtab numtext fileio sha256 crc32c undo)
    flexc_unit_test(${name} LIBS flexc_base)
endforeach()
