#include "passes/passes.h"

#include "base/arena.h"
#include "base/size.h"
#include "passes/fold.h"

static fold_fn *const folds[OP_COUNT] = {
#define OP(ID, NAME, MIN_IN, MAX_IN, MAX_OUT, ATTRS, SHAPE, FOLD)              \
    [OP_##ID] = (FOLD),
#include "ir/op.def"
#undef OP
};

static uint64_t value_bytes(const struct value *v)
{
    uint64_t count = 0;
    const bool is_ok = shape_count(&v->shape, &count);
    return is_ok ? count * dtype_bytes(v->dtype) : UINT64_MAX;
}

/* Elements read and written; results that share their input's bytes are free,
 * and those of ConstantOfShape are counted as bytes only. */
static uint64_t work_of(const struct fold *f, const struct node *n)
{
    fold_fn *const fn = folds[n->op];
    uint64_t work = 1;
    if (fn == fold_view || fn == fold_constant ||
        fn == fold_constant_of_shape || fn == fold_shape || fn == fold_size) {
        return work;
    }
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        const struct value *const v =
            i < n->n_in ? node_in(f->g, n, i) : node_out(f->g, n, i - n->n_in);
        uint64_t count = 0;
        if (v && (!shape_count(&v->shape, &count) ||
                  !size_add(&work, work, count))) {
            return UINT64_MAX;
        }
    }
    return work;
}

static bool can_fold(const struct fold *f, const struct node *n)
{
    fold_fn *const fn = folds[n->op];
    if (!fn) {
        return false;
    }
    const bool needs_data =
        fn != fold_shape && fn != fold_size && fn != fold_eye_like;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct value *const v = node_in(f->g, n, i);
        if (needs_data && v && !v->is_const) {
            return false;
        }
    }
    if (work_of(f, n) > f->left_work) {
        return false;
    }
    const bool may_be_large =
        fn == fold_view || fn == fold_constant || fn == fold_constant_of_shape;
    for (uint32_t i = 0; i < n->n_out && !may_be_large; i++) {
        const struct value *const v = node_out(f->g, n, i);
        if (v && value_bytes(v) > FOLD_MAX_BYTES) {
            return false;
        }
    }
    return true;
}

void fold_begin(struct fold *f, struct graph *g, struct cx *cx)
{
    *f = (struct fold){.g = g,
                       .cx = cx,
                       .left_bytes = FOLD_TOTAL_BYTES,
                       .left_work = FOLD_TOTAL_WORK,
                       .keeps_quantised = true};
    const uint64_t most = UINT64_C(1) << 40; /* external files can be sparse */
    const uint64_t stored = g->stored_bytes < most ? g->stored_bytes : most;
    f->left_bytes += stored * FOLD_BYTES_PER_BYTE;
    f->left_work += stored * FOLD_WORK_PER_BYTE;
}

bool fold_node(struct fold *f, struct node *n)
{
    if (!can_fold(f, n)) {
        return true;
    }
    f->left_work -= work_of(f, n);
    const enum fold_end end = folds[n->op](f, n);
    if (end != FOLD_DONE) {
        return end == FOLD_NOT;
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        struct value *const v = node_out(f->g, n, i);
        if (v) {
            v->is_const = true;
        }
    }
    n->is_dead = true;
    return true;
}

uint8_t *fold_alloc(struct fold *f, const struct node *n, uint32_t i)
{
    struct value *const v = node_out(f->g, n, i);
    const uint64_t len = value_bytes(v);
    if (len > f->left_bytes) {
        (void)node_error(f->cx, n, E_TOO_BIG,
                         "constants computed at compile time would take more "
                         "than 1 GiB and %d times the model in all",
                         FOLD_BYTES_PER_BYTE);
        return NULL;
    }
    uint8_t *const data = arena_alloc(f->cx->keep, len, 16);
    if (data) {
        f->left_bytes -= len;
        v->data = (struct span){data, len};
    }
    return data;
}

static bool fold_all(struct graph *g, struct cx *cx, bool keeps_quantised)
{
    struct fold fold;
    fold_begin(&fold, g, cx);
    fold.keeps_quantised = keeps_quantised;
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        if (!n->is_dead && !fold_node(&fold, n)) {
            return false;
        }
    }
    return true;
}

bool pass_fold(struct graph *g, struct cx *cx)
{
    return fold_all(g, cx, true);
}

bool pass_fold_all(struct graph *g, struct cx *cx)
{
    return fold_all(g, cx, false);
}

void copy_strided(uint8_t *dst, const uint8_t *src, uint32_t size,
                  const struct shape *s, const int64_t *stride)
{
    uint64_t count = 0;
    if (!shape_count(s, &count)) {
        return;
    }
    int64_t index[TENSOR_MAX_RANK] = {0};
    int64_t off = 0;
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < size; k++) {
            dst[i * size + k] = src[off + (int64_t)k];
        }
        for (uint32_t d = s->rank; d-- > 0;) {
            off += stride[d];
            if (++index[d] < s->dim[d]) {
                break;
            }
            off -= stride[d] * s->dim[d];
            index[d] = 0;
        }
    }
}

void walk_begin(struct walk *w, const struct shape *s)
{
    *w = (struct walk){.shape = *s};
}

void walk_operand(struct walk *w, const struct shape *operand)
{
    int64_t *const stride = w->stride[w->n_operand++];
    int64_t step = 1;
    for (uint32_t i = 0; i < operand->rank; i++) {
        const uint32_t from = operand->rank - 1 - i;
        const uint32_t to = w->shape.rank - 1 - i;
        stride[to] = operand->dim[from] == 1 ? 0 : step;
        step *= operand->dim[from];
    }
}

void walk_next(struct walk *w)
{
    for (uint32_t d = w->shape.rank; d-- > 0;) {
        const bool carries = ++w->index[d] == w->shape.dim[d];
        for (uint32_t k = 0; k < w->n_operand; k++) {
            w->at[k] += (uint64_t)w->stride[k][d];
            if (carries) {
                w->at[k] -= (uint64_t)(w->stride[k][d] * w->shape.dim[d]);
            }
        }
        if (!carries) {
            return;
        }
        w->index[d] = 0;
    }
}
