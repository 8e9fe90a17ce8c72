/* kern_winograd.c - Winograd convolutions: what fits, scratch, costs. Argument
 * block and weights are those of the direct kernel. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/size.h"
#include "flexrt/flx_winograd.h"
#include "kernels/kern_parts.h"

/* Channels are transformed 16 at a time. */
enum { CHANNEL_STEP = 16 };

static bool winograd_fits(uint32_t m, const struct layer *l, const char **why)
{
    const struct conv_param *p = &l->p.conv;
    *why = "a convolution other than 3x3";
    if (p->group != 1 || p->kernel[0] != 3 || p->kernel[1] != 3 ||
        p->stride[0] != 1 || p->stride[1] != 1 || p->dilation[0] != 1 ||
        p->dilation[1] != 1) {
        return false;
    }
    /* Boxes are cut on the grid of rows of all images together. */
    *why = "images whose rows are not whole tiles";
    if (l->dim[0] != 1 && l->dim[1] % m != 0) {
        return false;
    }
    *why = "channels that are not a multiple of 16";
    return l->in[0].dim[3] % CHANNEL_STEP == 0 && conv_fits(l, why);
}

bool winograd4_fits(const struct layer *l, const char **why)
{
    return winograd_fits(4, l, why);
}

bool winograd6_fits(const struct layer *l, const char **why)
{
    return winograd_fits(6, l, why);
}

/* Tiles of one image; at most 2^32, as rows and columns fit 32 bits each. */
static uint64_t tiles_of(uint64_t m, const struct layer *l)
{
    return size_div_up(l->dim[1], m) * size_div_up(l->dim[2], m);
}

/* The least of a thread; see winograd_rooms for what more is good for. */
static uint64_t winograd_scratch(uint64_t m, const struct layer *l)
{
    return FLX_WINO_LEAST_BYTES(m, l->in[0].dim[3]);
}

uint64_t winograd4_scratch(const struct layer *l)
{
    return winograd_scratch(4, l);
}

uint64_t winograd6_scratch(const struct layer *l)
{
    return winograd_scratch(6, l);
}

/* ---- costs, in multiply-adds of the direct kernel ----
 * Fitted to measurements with AVX2 and AVX-512 on 3x3 layers of VGG-19,
 * ResNet-152 and SqueezeNet (docs/BENCHMARKS.md); within 15% of them. */
enum {
    TILE_COST = 250, /* of transforming a tile, per input or output channel */
    TILE_COST6 = 500,
    TAP_COST = 7,        /* of transforming weights, per two places of a tile */
    TAP_COST_ALONE = 11, /* not while others are multiplied */
    PRODUCT_COST = 6,    /* of a multiply-add, fifths */
    PRODUCT_COST6 = 7    /* for m = 6: half as many channels at a time */
};

struct cost {
    uint64_t all;   /* shrinks with rows and panels */
    uint64_t rows;  /* with rows only: each box transforms its input */
    uint64_t strip; /* of each strip: weights, while others are multiplied */
    uint64_t alone; /* the same before they are */
};

static struct cost winograd_cost(uint64_t m, const struct layer *l)
{
    const uint64_t c = l->in[0].dim[3];
    const uint64_t oc = size_div_up(l->dim[3], FLX_PANEL) * FLX_PANEL;
    const uint64_t tiles = l->dim[0] * tiles_of(m, l);
    const uint64_t product = m == 4 ? PRODUCT_COST : PRODUCT_COST6;
    const uint64_t tile = m == 4 ? TILE_COST : TILE_COST6;
    const uint64_t weights = FLX_WINO_PLACES(m) / 2 * c * oc;
    return (struct cost){
        .all = FLX_WINO_PLACES(m) * tiles * c * oc / 5 * product +
               tile * tiles * oc,
        .rows = tile * tiles * c,
        .strip = weights * TAP_COST,
        .alone = weights * TAP_COST_ALONE,
    };
}

/* In one box, with all the scratch that is of use. */
static uint64_t winograd_ns(uint64_t m, const struct layer *l,
                            const struct device *d)
{
    const struct cost cost = winograd_cost(m, l);
    const uint64_t tiles = l->dim[0] * tiles_of(m, l);
    const uint64_t strips =
        size_div_up(tiles, FLX_WINO_TILES(m, l->in[0].dim[3], tiles));
    return rate_ns(cost.all + cost.rows + cost.strip * strips,
                   d->speed[SPEED_GEMM]);
}

uint64_t winograd4_ns(const struct layer *l, const struct device *d)
{
    return winograd_ns(4, l, d);
}

uint64_t winograd6_ns(const struct layer *l, const struct device *d)
{
    return winograd_ns(6, l, d);
}

static int by_bytes(const void *a, const void *b)
{
    const struct cand_room *const x = a;
    const struct cand_room *const y = b;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* Strips of 4, 8, ... tiles: with little scratch; and with the most, for a box
 * of so many, of which the longest are good for any box. */
static bool winograd_rooms(uint64_t m, const struct layer *l,
                           const struct device *d, struct cx *cx,
                           struct cand *k)
{
    const struct cost cost = winograd_cost(m, l);
    const uint64_t c = l->in[0].dim[3];
    const uint64_t tiles = l->dim[0] * tiles_of(m, l);
    const uint64_t most = FLX_WINO_TILES(m, c, tiles);
    struct cand_room *const x = arena_new(cx->keep, struct cand_room, most / 2);
    if (!x) {
        return false;
    }
    uint32_t n = 0;
    for (uint64_t t = 4; t <= most; t += 4) {
        const struct cand_room small = {
            .bytes = FLX_WINO_BYTES(m, c, FLX_WINO_LEAST_C, t, 1u),
            .tiles = t,
            .panels_ns = rate_ns(cost.alone, d->speed[SPEED_GEMM]),
        };
        const struct cand_room large = {
            .bytes = FLX_WINO_MOST_BYTES(m, c, t),
            .tiles = t,
            .panels_ns = rate_ns(cost.strip, d->speed[SPEED_GEMM]),
            .at_once = t < most,
        };
        x[n++] = small;
        x[n++] = large;
    }
    qsort(x, n, sizeof *x, by_bytes);
    k->room = x;
    k->n_room = n;
    k->row_tiles = size_div_up(l->dim[2], m);
    k->all_ns = rate_ns(cost.all, d->speed[SPEED_GEMM]);
    k->rows_ns = rate_ns(cost.rows, d->speed[SPEED_GEMM]);
    k->panels_ns = rate_ns(cost.strip, d->speed[SPEED_GEMM]);
    return true;
}

bool winograd4_rooms(const struct layer *l, const struct device *d,
                     struct cx *cx, struct cand *k)
{
    return winograd_rooms(4, l, d, cx, k);
}

bool winograd6_rooms(const struct layer *l, const struct device *d,
                     struct cx *cx, struct cand *k)
{
    return winograd_rooms(6, l, d, cx, k);
}
