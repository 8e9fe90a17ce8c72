/* zoo_fill.h - the contents of the zoo's initializers, as functions of the
 * element index.
 *
 * Random values come from a counter: element i of a tensor is a hash of (key,
 * i), so any block can be made on its own, in any order. Only integer
 * arithmetic and single correctly rounded IEEE operations are used (no libm,
 * no fused multiply-add), so every host makes the same bytes. */
#ifndef FLEXC_MODELS_ZOO_FILL_H
#define FLEXC_MODELS_ZOO_FILL_H

#include <stddef.h>
#include <stdint.h>

/* f32, uniform in [center - half, center + half); variance half^2 / 3.
 * half = 0 gives the constant `center`. */
struct zoo_fill_uniform {
    uint64_t key;
    float center;
    float half;
};

/* bool [.., n, n]: element (i, j) is true where j <= i. */
struct zoo_fill_causal {
    uint64_t n;
};

/* A key from the model's seed and the tensor's name (zero-terminated): equal
 * for equal pairs, and independent of the order in which tensors are made. */
uint64_t zoo_fill_key(uint64_t seed, const char *tensor);

/* Each is an onnx_fill_fn (models/onnx_writer.h). `recipe` points to the
 * struct of the same name; for zoo_fill_values (i64) to the values
 * themselves; zoo_fill_iota (i64: element i is i) has none. */
void zoo_fill_uniform(const void *recipe, uint64_t first, size_t n,
                      uint8_t *dst);
void zoo_fill_values(const void *recipe, uint64_t first, size_t n,
                     uint8_t *dst);
void zoo_fill_causal(const void *recipe, uint64_t first, size_t n,
                     uint8_t *dst);
void zoo_fill_iota(const void *recipe, uint64_t first, size_t n, uint8_t *dst);

#endif
