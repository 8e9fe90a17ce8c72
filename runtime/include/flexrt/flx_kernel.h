/* flx_kernel.h - what a kernel is: a function that computes one box.
 *
 * A box is output rows [r0, r1) x panels [p0, p1) x one K block of a layer. A
 * kernel gets references to its operands (base and ring), the address of the
 * first panel's weights, scratch, and an argument block of constants (shapes,
 * strides, epilogue) that is the same in every plan. Everything a plan decides
 * (addresses, rings, cuts) is in the call; nothing else is.
 *
 * Bits: each output is one chain of fused multiply-adds over K in a fixed
 * order, so its value does not depend on the cut. A kernel reads and writes no
 * byte outside its operands. */
#ifndef FLEXRT_FLX_KERNEL_H
#define FLEXRT_FLX_KERNEL_H

#include <stdint.h>

enum {
    FLX_PANEL = 16,      /* output channels of one panel */
    FLX_MAX_ARG = 9,     /* operands of a layer, the output first */
    FLX_PANEL_ALIGN = 64 /* bytes; of every panel in memory and blob */
};

/* An operand in memory. Logical buffer row r lies at
 * base + (r % ring) * row_bytes; row_bytes is in the argument block. A buffer
 * held in full has ring == its rows. */
struct flx_ref {
    uint8_t *base;
    uint32_t ring;
};

struct flx_call {
    struct flx_ref arg[FLX_MAX_ARG]; /* [0] is the output */
    const uint8_t *w; /* panel p0 of K block kb; panels follow each other */
    uint8_t *scratch; /* n_parts * the kernel's scratch bytes, 64-aligned */
    uint32_t r0;
    uint32_t r1;
    uint32_t p0;
    uint32_t p1;
    uint32_t kb;
};

/* Computes part `part` of `n_parts` of the box; the parts together write the
 * box exactly once, in any order or at the same time, and give the same bits
 * for any n_parts >= 1. `arg` is the kernel's argument block; an instance in
 * generated code has the block compiled in and ignores it. */
typedef void (*flx_kernel_fn)(const struct flx_call *call, const void *arg,
                              uint32_t part, uint32_t n_parts);

struct flx_kernel {
    flx_kernel_fn fn;
    const void *arg;
};

/* Argument blocks are made of 32-bit fields only, listed once, so that the
 * compiler can fill and print them by name: U unsigned, I signed, F float,
 * UA/IA arrays (name, length). */
#define FLX_FIELD_U(NAME) uint32_t NAME;
#define FLX_FIELD_I(NAME) int32_t NAME;
#define FLX_FIELD_F(NAME) float NAME;
#define FLX_FIELD_UA(NAME, N) uint32_t NAME[N];
#define FLX_FIELD_IA(NAME, N) int32_t NAME[N];

/* Epilogue of kernels that have one; values of `act` and `residual` are those
 * of enum flx_act and enum flx_residual, equal by value to the compiler's. */
enum flx_act {
    FLX_ACT_NONE,
    FLX_ACT_RELU,
    FLX_ACT_CLIP,
    FLX_ACT_LEAKY,
    FLX_ACT_PRELU,
    FLX_ACT_SIGMOID,
    FLX_ACT_TANH,
    FLX_ACT_HARDSIGMOID,
    FLX_ACT_HARDSWISH,
    FLX_ACT_SILU
};
enum flx_residual { FLX_RES_NONE, FLX_RES_BEFORE_ACT, FLX_RES_AFTER_ACT };

#include "flexrt/kernel_args.h"

/* Ids of the kernels, pinned: kernel_list.def. */
enum flx_kernel_id {
#define KERNEL(ID, VALUE, FN, ARG) FLX_K_##ID = VALUE,
#include "flexrt/kernel_list.def"
#undef KERNEL
};

#endif
