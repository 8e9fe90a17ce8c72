#include "cli/profile_net.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"

enum { OPSET = 20 };

/* A graph that grows. An index of UINT32_MAX: something failed, reported. */
struct net {
    struct cx *cx;
    struct graph *g;
    uint32_t seed;
};

static void start(struct net *n, struct cx *cx, struct graph *g)
{
    *g = (struct graph){.name = "profile", .file = "profile", .opset = OPSET};
    *n = (struct net){.cx = cx, .g = g, .seed = 1};
}

/* Uniform in [-1, 1). */
static float next_random(struct net *n)
{
    n->seed = n->seed * 1664525u + 1013904223u;
    return (float)(int32_t)n->seed * 0x1p-31f;
}

/* Weights that keep the size of what passes through `fan_in` of them. */
static uint32_t weights(struct net *n, struct shape s, int64_t fan_in)
{
    uint64_t count = 0;
    float *const data =
        shape_count(&s, &count)
            ? arena_alloc_array(n->cx->keep, count, sizeof *data, 64)
            : NULL;
    if (!data) {
        return UINT32_MAX;
    }
    const float scale = sqrtf(6.0f / (float)fan_in);
    for (uint64_t i = 0; i < count; i++) {
        data[i] = scale * next_random(n);
    }
    return graph_add_const(
        n->g, n->cx, "w", DTYPE_F32, &s,
        (struct span){(const uint8_t *)data, count * sizeof *data});
}

static uint32_t input(struct net *n, struct shape s)
{
    uint32_t *const list = arena_new(n->cx->keep, uint32_t, n->g->n_input + 1);
    const uint32_t v = graph_add_value(n->g, n->cx, "x");
    if (!list || v == UINT32_MAX) {
        return UINT32_MAX;
    }
    n->g->value[v].dtype = DTYPE_F32;
    n->g->value[v].shape = s;
    n->g->value[v].shape_known = true;
    if (n->g->n_input > 0) {
        memcpy(list, n->g->input, n->g->n_input * sizeof *list);
    }
    list[n->g->n_input++] = v;
    n->g->input = list;
    return v;
}

static bool output(struct net *n, uint32_t v)
{
    uint32_t *const list = arena_new(n->cx->keep, uint32_t, n->g->n_output + 1);
    if (!list || v == UINT32_MAX) {
        return false;
    }
    if (n->g->n_output > 0) {
        memcpy(list, n->g->output, n->g->n_output * sizeof *list);
    }
    list[n->g->n_output++] = v;
    n->g->output = list;
    return true;
}

/* A node of up to three inputs (VALUE_NONE: absent); its output. */
static uint32_t node(struct net *n, enum op_id op, uint32_t a, uint32_t b,
                     uint32_t c)
{
    const uint32_t in[] = {a, b, c};
    uint32_t n_in = 3;
    while (n_in > 1 && in[n_in - 1] == VALUE_NONE) {
        n_in--;
    }
    const uint32_t ix = graph_add_node(n->g, n->cx, op, op_name(op), n_in, 1);
    const uint32_t v =
        ix == UINT32_MAX ? ix : graph_add_value(n->g, n->cx, "y");
    if (v != UINT32_MAX) {
        memcpy(n->g->node[ix].in, in, n_in * sizeof *in);
        n->g->node[ix].out[0] = v;
    }
    return v;
}

/* An attribute of the last node. */
static bool add_ints(struct net *n, const char *name, const int64_t *ints,
                     uint32_t count)
{
    struct node *const x = &n->g->node[n->g->n_node - 1];
    struct attr *const list =
        arena_new(n->cx->keep, struct attr, x->n_attr + 1);
    int64_t *const copy = arena_new(n->cx->keep, int64_t, count);
    if (!list || !copy) {
        return false;
    }
    memcpy(copy, ints, count * sizeof *copy);
    if (x->n_attr > 0) {
        memcpy(list, x->attr, x->n_attr * sizeof *list);
    }
    list[x->n_attr++] = (struct attr){
        .name = name, .kind = ATTR_INTS, .ints = copy, .n = count};
    x->attr = list;
    return true;
}

static bool add_int(struct net *n, const char *name, int64_t i)
{
    const bool ok = add_ints(n, name, &i, 1);
    if (ok) {
        struct node *const x = &n->g->node[n->g->n_node - 1];
        x->attr[x->n_attr - 1].kind = ATTR_INT;
        x->attr[x->n_attr - 1].i = i;
    }
    return ok;
}

/* ---- layers of images ---- */

/* k x k, padded so that stride alone changes the size; depthwise for c == 1. */
static uint32_t conv(struct net *n, uint32_t x, int64_t o, int64_t c, int64_t k,
                     int64_t stride)
{
    const struct shape s = {4, {o, c, k, k}};
    const int64_t strides[] = {stride, stride};
    const int64_t pad[] = {k / 2, k / 2, k / 2, k / 2};
    const uint32_t w = weights(n, s, c * k * k);
    const uint32_t y = node(n, OP_CONV, x, w, VALUE_NONE);
    if (w == UINT32_MAX || y == UINT32_MAX || !add_ints(n, "pads", pad, 4) ||
        !add_ints(n, "strides", strides, 2) ||
        !add_int(n, "group", c == 1 ? o : 1)) {
        return UINT32_MAX;
    }
    return node(n, OP_RELU, y, VALUE_NONE, VALUE_NONE);
}

static uint32_t pool(struct net *n, uint32_t x)
{
    const int64_t two[] = {2, 2};
    const uint32_t y = node(n, OP_MAX_POOL, x, VALUE_NONE, VALUE_NONE);
    return y != UINT32_MAX && add_ints(n, "kernel_shape", two, 2) &&
                   add_ints(n, "strides", two, 2)
               ? y
               : UINT32_MAX;
}

/* ---- layers of tokens ---- *
 * Smaller weights: exponentials of large scores give numbers so small that
 * arithmetic on them is slow, which trained networks do not. */

static uint32_t matmul(struct net *n, uint32_t x, int64_t in, int64_t out)
{
    const struct shape s = {2, {in, out}};
    return node(n, OP_MATMUL, x, weights(n, s, 8 * in), VALUE_NONE);
}

static uint32_t norm(struct net *n, uint32_t x, int64_t size)
{
    const struct shape s = {1, {size}};
    return node(n, OP_LAYER_NORM, x, weights(n, s, 6), weights(n, s, 24));
}

static uint32_t heads_of(struct net *n, uint32_t x, const int64_t *dims,
                         const int64_t *perm)
{
    const uint32_t shape = graph_add_i64s(n->g, n->cx, "dims", dims, 1, 4);
    const uint32_t y = node(n, OP_RESHAPE, x, shape, VALUE_NONE);
    const uint32_t z = node(n, OP_TRANSPOSE, y, VALUE_NONE, VALUE_NONE);
    return z != UINT32_MAX && add_ints(n, "perm", perm, 4) ? z : UINT32_MAX;
}

/* One block of a transformer: tokens, width, heads. */
static uint32_t block(struct net *n, uint32_t x, int64_t t, int64_t width,
                      int64_t heads)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    static const int64_t perm_k[] = {0, 2, 3, 1};
    const int64_t dims[] = {1, t, heads, width / heads};
    const int64_t flat[] = {1, t, width};
    const uint32_t h = norm(n, x, width);
    const uint32_t q = heads_of(n, matmul(n, h, width, width), dims, perm);
    const uint32_t k = heads_of(n, matmul(n, h, width, width), dims, perm_k);
    const uint32_t v = heads_of(n, matmul(n, h, width, width), dims, perm);
    const uint32_t score = node(n, OP_MATMUL, q, k, VALUE_NONE);
    const uint32_t p = node(n, OP_SOFTMAX, score, VALUE_NONE, VALUE_NONE);
    const uint32_t mixed = node(n, OP_MATMUL, p, v, VALUE_NONE);
    const uint32_t back = node(n, OP_TRANSPOSE, mixed, VALUE_NONE, VALUE_NONE);
    if (back == UINT32_MAX || !add_ints(n, "perm", perm, 4)) {
        return UINT32_MAX;
    }
    const uint32_t y =
        node(n, OP_RESHAPE, back,
             graph_add_i64s(n->g, n->cx, "dims", flat, 1, 3), VALUE_NONE);
    const uint32_t up = matmul(n, norm(n, y, width), width, 4 * width);
    const uint32_t act = node(n, OP_GELU, up, VALUE_NONE, VALUE_NONE);
    return matmul(n, act, 4 * width, width);
}

/* ---- the networks ---- */

bool profile_net_images(struct cx *cx, struct graph *g)
{
    struct net n;
    start(&n, cx, g);
    uint32_t x = input(&n, (struct shape){4, {1, 3, 224, 224}});
    x = conv(&n, x, 32, 3, 3, 2); /* 112 x 112 from here on */
    x = conv(&n, x, 32, 1, 3, 1);
    x = conv(&n, x, 96, 32, 1, 1);
    x = conv(&n, x, 96, 1, 3, 2); /* 56 x 56 */
    x = conv(&n, x, 64, 96, 1, 1);
    x = conv(&n, x, 64, 64, 3, 1);
    x = conv(&n, x, 256, 64, 1, 1);
    x = conv(&n, x, 128, 256, 1, 1);
    x = pool(&n, x); /* 28 x 28 */
    x = conv(&n, x, 128, 128, 3, 1);
    x = conv(&n, x, 512, 128, 1, 1);
    x = conv(&n, x, 128, 512, 1, 1);
    x = conv(&n, x, 192, 128, 1, 1);
    x = conv(&n, x, 192, 1, 3, 1);
    x = conv(&n, x, 256, 192, 3, 2); /* 14 x 14 */
    x = conv(&n, x, 256, 256, 3, 1);
    return output(&n, x);
}

bool profile_net_weights(struct cx *cx, struct graph *g)
{
    struct net n;
    start(&n, cx, g);
    uint32_t x = input(&n, (struct shape){4, {1, 256, 14, 14}});
    x = conv(&n, x, 1024, 256, 1, 1);
    x = conv(&n, x, 256, 1024, 1, 1);
    x = conv(&n, x, 512, 256, 3, 1);
    x = conv(&n, x, 512, 512, 3, 1);
    x = conv(&n, x, 512, 512, 3, 2); /* 7 x 7 */
    x = conv(&n, x, 512, 512, 3, 1);
    x = conv(&n, x, 2048, 512, 1, 1);
    x = conv(&n, x, 512, 2048, 1, 1);
    x = node(&n, OP_FLATTEN, x, VALUE_NONE, VALUE_NONE);
    x = matmul(&n, x, 7 * 7 * 512, 512);
    x = matmul(&n, x, 512, 1000);
    uint32_t t = input(&n, (struct shape){3, {1, 144, 768}});
    t = block(&n, t, 144, 768, 12);
    return output(&n, x) && output(&n, t);
}

bool profile_net_stream(struct cx *cx, bool is_large, struct graph *g)
{
    static const int64_t width[] = {256, 512,  512,  1024, 2048, 1024,
                                    512, 1024, 5120, 4096, 5120};
    enum { N_SMALL = 8 };
    const size_t n_width = is_large ? ARRAY_LEN(width) : N_SMALL;
    struct net n;
    start(&n, cx, g);
    uint32_t x = input(&n, (struct shape){2, {1, width[0]}});
    for (size_t i = 1; i < n_width; i++) {
        x = matmul(&n, x, width[i - 1], width[i]);
    }
    return output(&n, x);
}
