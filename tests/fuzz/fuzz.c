#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_start(struct fuzz *f, uint64_t cap_bytes)
{
    diag_init(&f->diag);
    arena_init(&f->keep, cap_bytes, &f->diag);
    arena_init(&f->scratch, cap_bytes, &f->diag);
    f->cx = (struct cx){&f->keep, &f->scratch, &f->diag, NULL};
}

void fuzz_end(struct fuzz *f)
{
    arena_free(&f->keep);
    arena_free(&f->scratch);
}

void fuzz_check(bool holds, const char *property)
{
    if (!holds) {
        (void)fprintf(stderr, "property broken: %s\n", property);
        abort();
    }
}

void fuzz_check_diag(const struct fuzz *f, bool ok)
{
    fuzz_check(ok == (f->diag.id == E_NONE), "refused means: with an error");
    fuzz_check(f->diag.id != E_INTERNAL, "no input is an error of ours");
    if (!ok) {
        char line[DIAG_LINE_CAP];
        fuzz_check(f->diag.text[0] != '\0', "an error has a text");
        const size_t n = diag_format(&f->diag, line, sizeof line);
        fuzz_check(n == strlen(line) && n > 0, "an error is one line");
        for (size_t i = 0; i < n; i++) {
            fuzz_check((unsigned char)line[i] >= ' ' && line[i] != 0x7f,
                       "an error shows no control character");
        }
    }
}

uint8_t fuzz_byte(struct span *in)
{
    if (in->len == 0) {
        return 0;
    }
    const uint8_t byte = in->data[0];
    in->data++;
    in->len--;
    return byte;
}
