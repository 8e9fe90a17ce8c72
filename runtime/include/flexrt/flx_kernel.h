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
    uint8_t *scratch; /* n_parts * scratch_bytes, 64-aligned */
    uint32_t scratch_bytes; /* of a part, x 64; not less than the kernel's least
                               for these arguments. Some are faster with more:
                               the bits are the same */
    uint32_t r0;
    uint32_t r1;
    uint32_t p0;
    uint32_t p1;
    uint32_t kb;
    /* Panels of the largest of the boxes just before this one that were of the
     * same rows and K block, and whose scratch is as they left it, for the same
     * n_parts; 0: none. */
    uint32_t kept;
};

/* Operand 0 is the layer's output, operand 1 + i its input in[i], absent and
 * weight operands included. Computes part `part` of `n_parts` of the box; the
 * parts together write the box exactly once, in any order or at the same time,
 * and give the same bits for any n_parts >= 1. `arg` is the kernel's argument
 * block; an instance in generated code has the block compiled in and ignores
 * it. */
typedef void (*flx_kernel_fn)(const struct flx_call *call, const void *arg,
                              uint32_t part, uint32_t n_parts);

struct flx_kernel {
    flx_kernel_fn fn;
    const void *arg;
};

enum {
    FLX_MAX_RANK = 8,
    FLX_EWISE_MAX_IN = 8,
    FLX_EXPR_MAX_STEP = 24,
    FLX_EXPR_DEPTH = 8,   /* values a program may have on its stack */
    FLX_CONV_MAX_KH = 16, /* of k_conv_f32_direct: bounds its stack */
    FLX_MATMUL_K = 256,   /* rows of b that are packed at a time */
    FLX_MATMUL_M = 12,    /* most rows of a in a tile, of any target */
    FLX_ATTN_ROWS = 48,   /* queries that are taken at a time */
    FLX_ATTN_KEYS = 48,   /* keys of a step of the running softmax */
    FLX_ATTN_PACK = FLX_ATTN_KEYS * FLX_PANEL, /* floats of v in a step */
    FLX_TENSOR_SPATIAL = FLX_MAX_RANK - 2,     /* dimensions of a window */
    FLX_TENSOR_INTS = 40,                      /* numbers of class tensor */
    FLX_TENSOR_FLOATS = 16
};
/* Scratch of a thread, in bytes: the one formula of kernel and catalogue. */
#define FLX_MATMUL_SCRATCH(K)                                                  \
    ((FLX_PANEL + FLX_MATMUL_M) *                                              \
         ((K) < FLX_MATMUL_K ? (K) : (uint32_t)FLX_MATMUL_K) * 4u / 64u *      \
         64u +                                                                 \
     64u)
#define FLX_ATTN_SCRATCH(HEAD, V)                                              \
    (((FLX_ATTN_ROWS * ((HEAD) + FLX_ATTN_KEYS +                               \
                        ((V) + FLX_PANEL - 1u) / FLX_PANEL * FLX_PANEL + 3u) + \
       FLX_ATTN_PACK) *                                                        \
          4u +                                                                 \
      63u) /                                                                   \
     64u * 64u)
/* The entry of a table of N > 0 that index I picks, both int64_t: below 0 it
 * counts from the end; outside [-N, N) the nearest is taken. */
#define FLX_EMBED_ENTRY(I, N)                                                  \
    ((I) < -(N) ? 0 : (I) < 0 ? (I) + (N) : (I) < (N) ? (I) : (N)-1)
#define FLX_WORD_SCRATCH(K) (((K)*4u + 63u) / 64u * 64u)
#define FLX_RESIZE_SCRATCH(OUT_W) ((OUT_W)*8u / 64u * 64u + 64u)
#define FLX_AT_WEIGHTS 0xffffffffu

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
    FLX_ACT_SILU,
    FLX_ACT_GELU,
    FLX_ACT_GELU_TANH
};
enum flx_residual { FLX_RES_NONE, FLX_RES_BEFORE_ACT, FLX_RES_AFTER_ACT };

/* How weights of convolutions are stored; values equal the compiler's. */
enum flx_weight_type { FLX_WEIGHT_F32, FLX_WEIGHT_F16, FLX_WEIGHT_I8 };
/* Scratch of a thread in which so many panels are f32, K rows at a time. */
#define FLX_WIDEN_SCRATCH(PANELS, K) ((PANELS) * ((K) + 2u) * FLX_PANEL * 4u)

/* Steps of an elementwise program, nearest modes and reductions; values equal
 * those of the compiler's enums in layer.h. */
enum flx_expr {
    FLX_EXPR_IN,
    FLX_EXPR_IMM,
    FLX_EXPR_ADD,
    FLX_EXPR_SUB,
    FLX_EXPR_MUL,
    FLX_EXPR_DIV,
    FLX_EXPR_POW,
    FLX_EXPR_MIN,
    FLX_EXPR_MAX,
    FLX_EXPR_NEG,
    FLX_EXPR_ABS,
    FLX_EXPR_EXP,
    FLX_EXPR_LOG,
    FLX_EXPR_SQRT,
    FLX_EXPR_RECIP,
    FLX_EXPR_FLOOR,
    FLX_EXPR_CEIL,
    FLX_EXPR_ERF,
    FLX_EXPR_RELU,
    FLX_EXPR_SIGMOID,
    FLX_EXPR_TANH,
    FLX_EXPR_PRELU,
    FLX_EXPR_SELECT,
    FLX_EXPR_CAST, /* this and all below: of k_typed alone */
    FLX_EXPR_ROUND,
    FLX_EXPR_SIGN,
    FLX_EXPR_SIN,
    FLX_EXPR_COS,
    FLX_EXPR_TAN,
    FLX_EXPR_ASIN,
    FLX_EXPR_ACOS,
    FLX_EXPR_ATAN,
    FLX_EXPR_SINH,
    FLX_EXPR_COSH,
    FLX_EXPR_ASINH,
    FLX_EXPR_ACOSH,
    FLX_EXPR_ATANH,
    FLX_EXPR_ISNAN,
    FLX_EXPR_ISINF,
    FLX_EXPR_NOT,
    FLX_EXPR_BITNOT,
    FLX_EXPR_MOD,
    FLX_EXPR_FMOD,
    FLX_EXPR_EQ,
    FLX_EXPR_LT,
    FLX_EXPR_LE,
    FLX_EXPR_GT,
    FLX_EXPR_GE,
    FLX_EXPR_BITAND,
    FLX_EXPR_BITOR,
    FLX_EXPR_BITXOR,
    FLX_EXPR_SHL,
    FLX_EXPR_SHR,
    FLX_EXPR_SATURATE
};
enum flx_nearest {
    FLX_ROUND_PREFER_FLOOR,
    FLX_ROUND_PREFER_CEIL,
    FLX_FLOOR,
    FLX_CEIL
};
enum flx_attn_mask {
    FLX_ATTN_MASK_NONE,
    FLX_ATTN_MASK_ADD,
    FLX_ATTN_MASK_SELECT
};
enum flx_attn_blind {
    FLX_ATTN_BLIND_MEAN,
    FLX_ATTN_BLIND_NAN,
    FLX_ATTN_BLIND_ZERO,
    FLX_ATTN_BLIND_GUARD
};
enum flx_reduce {
    FLX_REDUCE_MEAN,
    FLX_REDUCE_SUM,
    FLX_REDUCE_MAX,
    FLX_REDUCE_MIN,
    FLX_REDUCE_L2,
    FLX_REDUCE_PROD, /* this and all below: of k_reduce_any alone */
    FLX_REDUCE_L1,
    FLX_REDUCE_SUMSQ,
    FLX_REDUCE_LOGSUM,
    FLX_REDUCE_LOGSUMEXP,
    FLX_REDUCE_ARGMAX,
    FLX_REDUCE_ARGMIN
};

#include "flexrt/kernel_args.h"

/* Argument blocks are made of 32-bit fields only, listed once, so that the
 * compiler can fill and print them by name (kernel_fields.h): U unsigned, I
 * signed, F float, UA, IA, FA arrays (name, length). */
#define FLX_FIELD_U(NAME) uint32_t NAME;
#define FLX_FIELD_I(NAME) int32_t NAME;
#define FLX_FIELD_F(NAME) float NAME;
#define FLX_FIELD_UA(NAME, N) uint32_t NAME[N];
#define FLX_FIELD_IA(NAME, N) int32_t NAME[N];
#define FLX_FIELD_FA(NAME, N) float NAME[N];
#define FLX_ARG_STRUCT(NAME, FIELDS)                                           \
    struct flx_##NAME##_arg {                                                  \
        FIELDS(FLX_FIELD_U, FLX_FIELD_I, FLX_FIELD_F, FLX_FIELD_UA,            \
               FLX_FIELD_IA, FLX_FIELD_FA)                                     \
    };
FLX_ARG_FAMILIES(FLX_ARG_STRUCT)

/* Ids of the kernels, pinned: kernel_list.def. */
enum flx_kernel_id {
#define KERNEL(ID, VALUE, FN, ARG, FILE) FLX_K_##ID = VALUE,
#include "flexrt/kernel_list.def"
#undef KERNEL
    FLX_KERNEL_IDS
};

#endif
