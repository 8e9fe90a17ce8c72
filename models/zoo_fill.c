#include "models/zoo_fill.h"

#include <string.h>

#include "base/le.h"

/* Finaliser of splitmix64 [splitmix]: a bijection of 64-bit words whose
 * outputs over a counter pass the usual randomness tests. */
static uint64_t mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The odd step of splitmix64: 2^64 / golden ratio. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

uint64_t zoo_fill_key(uint64_t seed, const char *tensor)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bit */
    for (const char *c = tensor; *c; c++) {
        h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    }
    return mix64(h ^ mix64(seed + STEP));
}

void zoo_fill_uniform(const void *recipe, uint64_t first, size_t n,
                      uint8_t *dst)
{
    const struct zoo_fill_uniform *r = recipe;
    const float unit = 1.0F / 8388608.0F; /* 2^-23 */
    uint64_t counter = r->key + first * STEP;
    for (size_t i = 0; i < n; i++) {
        /* 24 random bits as an integer in [-2^23, 2^23): exact as float. */
        const int32_t bits = (int32_t)(mix64(counter) >> 40) - 8388608;
        const float offset = ((float)bits * unit) * r->half;
        const float value = r->center + offset;
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        le32_put(dst + 4 * i, word);
        counter += STEP;
    }
}

void zoo_fill_values(const void *recipe, uint64_t first, size_t n, uint8_t *dst)
{
    const int64_t *value = recipe;
    for (size_t i = 0; i < n; i++) {
        le64_put(dst + 8 * i, (uint64_t)value[first + i]);
    }
}

void zoo_fill_causal(const void *recipe, uint64_t first, size_t n, uint8_t *dst)
{
    const struct zoo_fill_causal *r = recipe;
    for (size_t i = 0; i < n; i++) {
        const uint64_t row = (first + i) / r->n % r->n;
        const uint64_t column = (first + i) % r->n;
        dst[i] = column <= row;
    }
}

void zoo_fill_iota(const void *recipe, uint64_t first, size_t n, uint8_t *dst)
{
    (void)recipe;
    for (size_t i = 0; i < n; i++) {
        le64_put(dst + 8 * i, first + i);
    }
}
