/* fuzz_files.c - a fuzz target as an ordinary program: each file named, or in a
 * folder named, is an input. */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The content, in memory of exactly that size, so that ASan sees its end. */
static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *const f = fopen(path, "rb");
    struct stat st;
    uint8_t *bytes = NULL;
    if (f && fstat(fileno(f), &st) == 0) {
        *len = (size_t)st.st_size;
        bytes = malloc(*len);
        if (bytes && fread(bytes, 1, *len, f) != *len) {
            free(bytes);
            bytes = NULL;
        }
        bytes = bytes || *len > 0 ? bytes : malloc(1);
    }
    if (f) {
        (void)fclose(f);
    }
    return bytes;
}

static unsigned run_file(const char *path)
{
    size_t len = 0;
    uint8_t *const bytes = read_file(path, &len);
    if (!bytes) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    /* What breaks off is told apart by the last name. */
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    return 1;
}

static unsigned run_folder(DIR *dir, const char *path)
{
    unsigned n = 0;
    for (const struct dirent *e; (e = readdir(dir));) {
        char name[4096];
        if (e->d_name[0] == '.') {
            continue;
        }
        if (snprintf(name, sizeof name, "%s/%s", path, e->d_name) <
            (int)sizeof name) {
            n += run_file(name);
        }
    }
    (void)closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *const dir = opendir(argv[i]);
        n += dir ? run_folder(dir, argv[i]) : run_file(argv[i]);
    }
    (void)printf("%u inputs\n", n);
    return n > 0 ? 0 : 1;
}
