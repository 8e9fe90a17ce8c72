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

/* ---- costs ----
 * Ratios fitted to measurements with AVX2 and AVX-512 on 3x3 layers of VGG-19,
 * ResNet-152 and SqueezeNet. */
enum {
    TRANSFORM_COST6 = 2, /* a tile for m = 6 to one for m = 4 */
    PRODUCT_COST6 = 7,   /* the same for products, sixths: half as many channels
                            at a time */
    WEIGHT_COST = 15,    /* weights of a tile, twentieths of its transform */
    ALONE_COST = 24      /* the same not while others are multiplied */
};

/* Products, and transforms in those of m = 4. */
struct cost {
    uint64_t product; /* shrinks with rows and panels, as does the next */
    uint64_t out;
    uint64_t in;    /* with rows only: each box transforms its input */
    uint64_t strip; /* of each strip: weights, while others are multiplied */
    uint64_t alone; /* the same before they are */
};

static struct cost winograd_cost(uint64_t m, const struct layer *l)
{
    const uint64_t c = l->in[0].dim[3];
    const uint64_t oc = size_div_up(l->dim[3], FLX_PANEL) * FLX_PANEL;
    const uint64_t tiles = l->dim[0] * tiles_of(m, l);
    const uint64_t product = FLX_WINO_PLACES(m) * tiles * c * oc;
    const uint64_t each = m == 4 ? 1 : TRANSFORM_COST6;
    return (struct cost){
        .product = m == 4 ? product : product / 6 * PRODUCT_COST6,
        .out = each * tiles * oc,
        .in = each * tiles * c,
        .strip = each * c * oc / 20 * WEIGHT_COST,
        .alone = each * c * oc / 20 * ALONE_COST,
    };
}

/* What shrinks with rows and panels. */
static uint64_t box_ns(const struct cost *cost, const struct layer *l,
                       const struct device *d)
{
    return rate_ns(cost->product, d->speed[SPEED_WINOGRAD]) +
           rate_ns(cost->out, d->speed[SPEED_TRANSFORM]) + image_ns(l, d) +
           epilogue_ns(l, d);
}

/* In one box, with all the scratch that is of use. */
static uint64_t winograd_ns(uint64_t m, const struct layer *l,
                            const struct device *d)
{
    const struct cost cost = winograd_cost(m, l);
    const uint64_t tiles = l->dim[0] * tiles_of(m, l);
    const uint64_t strips =
        size_div_up(tiles, FLX_WINO_TILES(m, l->in[0].dim[3], tiles));
    return box_ns(&cost, l, d) +
           rate_ns(cost.in + cost.strip * strips, d->speed[SPEED_TRANSFORM]);
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
            .panels_ns = rate_ns(cost.alone, d->speed[SPEED_TRANSFORM]),
        };
        const struct cand_room large = {
            .bytes = FLX_WINO_MOST_BYTES(m, c, t),
            .tiles = t,
            .panels_ns = rate_ns(cost.strip, d->speed[SPEED_TRANSFORM]),
            .at_once = t < most,
        };
        x[n++] = small;
        x[n++] = large;
    }
    qsort(x, n, sizeof *x, by_bytes);
    k->room = x;
    k->n_room = n;
    k->row_tiles = size_div_up(l->dim[2], m);
    k->all_ns = box_ns(&cost, l, d);
    k->rows_ns = rate_ns(cost.in, d->speed[SPEED_TRANSFORM]);
    k->panels_ns = rate_ns(cost.strip, d->speed[SPEED_TRANSFORM]);
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
