/* bench_checksum.c - what the checksums of loads cost an inference.
 *
 *   bench_checksum MODEL.so NAME BLOB cached|direct ROUNDS
 *
 * Runs a compiled model's only plan with the POSIX port, each round once as it
 * is and once with checksums that are not computed but remembered: loads come
 * in the same order in every run, so that their checksums repeat with a period,
 * which the first runs find. Prints the medians of both latencies in ms, of
 * their ratio within a round, and the checksum's GB/s. Run by scripts/cost-run.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ports/posix/flx_posix.h"

enum { MAX_CALLS = 1 << 20, LEARN_RUNS = 4, MAX_ROUNDS = 999 };

static uint32_t (*real_crc)(void *ctx, uint32_t crc, const void *src,
                            uint32_t len);
/* The loader's; read here when nothing is in flight. */
static uint32_t sum_of[MAX_CALLS];
static uint32_t n_call;
static uint32_t period; /* 0: not known yet */
static int is_remembered;
static double crc_seconds;
static double crc_bytes;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t crc(void *ctx, uint32_t before, const void *src, uint32_t len)
{
    const uint32_t ix = period ? n_call % period : n_call;
    n_call++;
    if (is_remembered) {
        return sum_of[ix];
    }
    const double begin = now();
    const uint32_t sum = real_crc(ctx, before, src, len);
    crc_seconds += now() - begin;
    crc_bytes += len;
    sum_of[ix < MAX_CALLS ? ix : 0] = sum;
    return sum;
}

static uint32_t find_period(void)
{
    for (uint32_t p = 1; 2 * p <= n_call; p++) {
        if (memcmp(sum_of, sum_of + p, (n_call - p) * sizeof *sum_of) == 0) {
            return p;
        }
    }
    return 0;
}

/* ms of one inference; nothing is in flight afterwards. */
static double run(struct flx *rt)
{
    const double begin = now();
    if (flx_run(rt) != FLX_OK) {
        fprintf(stderr, "a run failed\n");
        exit(1);
    }
    const double end = now();
    flx_set_trace(rt, NULL, NULL);
    return (end - begin) * 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return x[n / 2];
}

int main(int argc, char **argv)
{
    static struct flx_posix posix;
    static struct flx_port port;
    static double with[MAX_ROUNDS];
    static double without[MAX_ROUNDS];
    static double ratio[MAX_ROUNDS];
    char symbol[200];
    struct flx *rt;
    void *const library = argc == 6 ? dlopen(argv[1], RTLD_NOW) : NULL;
    const int rounds = argc == 6 ? atoi(argv[5]) : 0;
    if (!library || rounds < 1 || rounds > MAX_ROUNDS) {
        return 2;
    }
    (void)snprintf(symbol, sizeof symbol, "%s_model", argv[2]);
    const struct flx_model *const m = dlsym(library, symbol);
    const enum flx_posix_storage storage =
        strcmp(argv[4], "direct") == 0 ? FLX_POSIX_DIRECT : FLX_POSIX_CACHED;
    if (!m || flx_posix_open(&posix, argv[3], storage, 1, &port) != FLX_OK ||
        !port.crc32c) {
        return 1;
    }
    real_crc = port.crc32c;
    port.crc32c = crc;
    const uint32_t bytes = flx_arena_bytes(m, 0);
    void *const arena = flx_posix_arena(bytes, FLX_POSIX_LARGE_PAGE);
    flx_posix_arena_large(arena, bytes);
    if (!arena || flx_open(m, &port, arena, bytes, 0, &rt) != FLX_OK) {
        return 1;
    }
    run(rt); /* residents come once */
    n_call = 0;
    for (int i = 0; i < LEARN_RUNS; i++) {
        run(rt);
    }
    period = find_period();
    if (n_call >= MAX_CALLS || period == 0) {
        fprintf(stderr, "the checksums do not repeat\n");
        return 1;
    }
    for (int i = 0; i < rounds; i++) {
        for (int k = 0; k < 2; k++) {
            is_remembered = (i + k) % 2;
            (is_remembered ? without : with)[i] = run(rt);
        }
        ratio[i] = with[i] / without[i];
    }
    printf("%.2f %.2f %.4f %.1f\n", median(with, rounds),
           median(without, rounds), median(ratio, rounds),
           crc_bytes / crc_seconds / 1e9);
    flx_close(rt);
    flx_posix_arena_free(arena, bytes);
    flx_posix_close(&posix);
    return 0;
}
