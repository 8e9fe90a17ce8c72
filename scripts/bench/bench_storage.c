/* bench_storage.c - what the POSIX port's storage and its checksum reach.
 *
 *   bench_storage FILE REQUEST_BYTES TOTAL_BYTES
 *
 * Reads the file's first TOTAL_BYTES (a multiple of REQUEST_BYTES) with direct
 * storage through the port, as flx_load_run does: as many requests under way as
 * the port takes, each to one of as many places, in turns, in large pages as
 * flexrun's arena has. Prints MB/s, the share of a core that this thread took, and the GB/s of the port's
 * checksum over what was read, from memory and from the cache. Run by
 * scripts/storage-run. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ports/posix/flx_posix.h"

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* GB/s of `n` bytes at a time, one pass over `total`. */
static double checksum_speed(const struct flx_port *port, const uint8_t *data,
                             uint32_t n, uint32_t total)
{
    uint32_t sum = 0;
    const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t off = 0; n <= total - off; off += n) {
        sum ^= port->crc32c(port->ctx, 0, data + off, n);
    }
    const double end = seconds(CLOCK_THREAD_CPUTIME_ID);
    return sum == 1 ? 0 : total / (end - begin) / 1e9;
}

int main(int argc, char **argv)
{
    struct flx_posix posix;
    struct flx_port port;
    if (argc != 4) {
        return 2;
    }
    const uint32_t request = (uint32_t)strtoul(argv[2], NULL, 10);
    const uint32_t total = (uint32_t)strtoul(argv[3], NULL, 10);
    uint8_t *const data = flx_posix_arena(total, FLX_POSIX_LARGE_PAGE);
    if (request == 0 || total % request != 0 || !data ||
        flx_posix_open(&posix, argv[1], FLX_POSIX_DIRECT, 1, &port) != FLX_OK) {
        return 1;
    }
    flx_posix_arena_large(data, total);
    /* Pages first: memory that an arena has used before. */
    for (uint32_t i = 0; i < total; i += FLX_POSIX_READ_ALIGN) {
        data[i] = 1;
    }
    const double begin = seconds(CLOCK_MONOTONIC);
    const double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    const uint32_t n_reads = port.n_reads > 1 ? port.n_reads : 1;
    const uint32_t n_places =
        total / request < n_reads ? total / request : n_reads;
    uint32_t begun = 0;
    for (uint32_t off = 0; off < total; off += request) {
        for (; begun < total && (begun - off) / request < n_places;
             begun += request) {
            uint8_t *dst = data + (size_t)(begun / request % n_places) * request;
            if (port.start_read(port.ctx, begun, dst, request) != FLX_OK) {
                return 1;
            }
        }
        enum flx_err err = FLX_PENDING;
        while (err == FLX_PENDING) {
            uint32_t n_in = 0;
            err = port.finish_read(port.ctx, 1, &n_in);
        }
        if (err != FLX_OK) {
            return 1;
        }
    }
    const double took = seconds(CLOCK_MONOTONIC) - begin;
    const double busy = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    double crc = 0;
    double crc_cached = 0;
    if (port.crc32c) {
        crc = checksum_speed(&port, data, request, total);
        crc_cached = checksum_speed(&port, data, 16384, 16384);
        for (uint32_t i = 0; i < 1000; i++) {
            const double again = checksum_speed(&port, data, 16384, 16384);
            crc_cached = again > crc_cached ? again : crc_cached;
        }
    }
    printf("%.1f %.2f %.1f %.1f\n", total / took / 1e6, 100 * busy / took, crc,
           crc_cached);
    flx_posix_close(&posix);
    flx_posix_arena_free(data, total);
    return 0;
}
