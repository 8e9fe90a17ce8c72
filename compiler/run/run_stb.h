/* run_stb.h - the two libraries of stb that are used; their bodies are in
 * run_stb.c, which is built without our warnings and sanitizers. */
#ifndef FLEXC_RUN_RUN_STB_H
#define FLEXC_RUN_RUN_STB_H

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

#endif
