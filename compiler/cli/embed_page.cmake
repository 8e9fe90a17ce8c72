# Writes OUT: the array of report_page.h, from the page PAGE.
# cmake -DPAGE=report_page.html -DOUT=file.c -P embed_page.cmake
file(READ ${PAGE} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
string(REGEX REPLACE "(......................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include \"cli/report_page.h\"\n\n"
    "const char report_page[] = {\n${bytes}0};\n")
