/* ref_node_move.c - nodes that move, reshape or create tensors. */
#include "ref_node.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A new output 0 with the elements of input 0. */
static bool view(struct ref_call *c, const struct ref_shape *shape)
{
    const struct ref_tensor *x = c->in[0];
    if (ref_count(shape) != ref_count(&x->shape)) {
        return ref_bad(c, "the new shape has another number of elements");
    }
    memcpy(ref_out(c, 0, x->type, shape), x->data,
           (size_t)ref_count(shape) * 8);
    return true;
}

bool ref_run_transpose(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    struct ref_shape s = x->shape;
    struct ref_list perm;
    bool is_there;
    if (!ref_arg_list(c, "perm", -1, &perm, &is_there)) {
        return false;
    }
    if (is_there && perm.n != s.rank) {
        return ref_bad(c, "perm has another length than the rank");
    }
    unsigned seen = 0;
    for (int i = 0; i < s.rank; i++) {
        perm.v[i] = is_there ? perm.v[i] : s.rank - 1 - i;
        if (perm.v[i] < 0 || perm.v[i] >= s.rank ||
            (seen >> perm.v[i] & 1U) != 0) {
            return ref_bad(c, "perm is not a permutation");
        }
        seen |= 1U << perm.v[i];
        s.dim[i] = x->shape.dim[perm.v[i]];
    }
    ref_transpose(&x->shape, perm.v, x->data, ref_out(c, 0, x->type, &s));
    return true;
}

bool ref_run_concat(struct ref_call *c, int kind)
{
    (void)kind;
    struct ref_shape s = c->in[0]->shape;
    int axis;
    if (!ref_axis(c, ref_attr_int(c, "axis", 1), s.rank, &axis)) {
        return false;
    }
    int64_t *inner = ref_alloc(c->n_in);
    const void **src = ref_alloc(c->n_in);
    s.dim[axis] = 0;
    bool is_ok = true;
    for (int i = 0; i < c->n_in && is_ok; i++) {
        struct ref_shape part = ref_in(c, i) ? c->in[i]->shape : s;
        const int64_t extent = part.dim[axis];
        part.dim[axis] = s.dim[axis];
        is_ok = c->in[i] && c->in[i]->type == c->in[0]->type &&
                ref_same_shape(&part, &s);
        s.dim[axis] += extent;
        src[i] = is_ok ? c->in[i]->data : NULL;
        inner[i] = extent * ref_span(&s, axis + 1, s.rank);
    }
    if (is_ok) {
        ref_concat(ref_span(&s, 0, axis), c->n_in, inner, src,
                   ref_out(c, 0, c->in[0]->type, &s));
    }
    free(inner);
    free(src);
    return is_ok || ref_bad(c, "inputs differ in shape or type");
}

bool ref_run_split(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    struct ref_shape s = x->shape;
    struct ref_list sizes;
    int axis;
    bool is_there;
    if (!ref_axis(c, ref_attr_int(c, "axis", 0), s.rank, &axis) ||
        !ref_arg_list(c, "split", 1, &sizes, &is_there)) {
        return false;
    }
    if (is_there ? sizes.n != c->n_out : c->n_out > REF_MAX_LIST) {
        return ref_bad(c, "split has another length than the outputs");
    }
    const int64_t dim = x->shape.dim[axis];
    const int64_t each = (dim + c->n_out - 1) / c->n_out;
    int64_t inner[REF_MAX_LIST];
    void *dst[REF_MAX_LIST];
    int64_t left = dim;
    for (int i = 0; i < c->n_out; i++) {
        s.dim[axis] = is_there ? sizes.v[i] : left < each ? left : each;
        left -= s.dim[axis];
        if (s.dim[axis] < 0 || left < 0) {
            return ref_bad(c, "split exceeds the dimension");
        }
        dst[i] = ref_out(c, i, x->type, &s);
        inner[i] = ref_span(&s, axis, s.rank);
    }
    if (left != 0) {
        return ref_bad(c, "split does not fill the dimension");
    }
    ref_split(ref_span(&s, 0, axis), c->n_out, inner, x->data, dst);
    return true;
}

bool ref_run_slice(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    struct ref_shape s = x->shape;
    struct ref_list starts;
    struct ref_list ends;
    struct ref_list axes;
    struct ref_list steps;
    bool has_axes;
    bool has_steps;
    bool is_there;
    if (!ref_arg_list(c, "starts", 1, &starts, &is_there) ||
        !ref_arg_list(c, "ends", 2, &ends, &is_there) ||
        !ref_arg_list(c, "axes", 3, &axes, &has_axes) ||
        !ref_arg_list(c, "steps", 4, &steps, &has_steps)) {
        return false;
    }
    if (starts.n != ends.n || (has_axes && axes.n != starts.n) ||
        (has_steps && steps.n != starts.n)) {
        return ref_bad(c, "starts, ends, axes and steps differ in length");
    }
    int64_t start[REF_MAX_RANK] = {0};
    int64_t step[REF_MAX_RANK];
    for (int i = 0; i < s.rank; i++) {
        step[i] = 1;
    }
    for (int i = 0; i < starts.n; i++) {
        int axis;
        if (!ref_axis(c, has_axes ? axes.v[i] : i, s.rank, &axis)) {
            return false;
        }
        start[axis] = starts.v[i];
        step[axis] = has_steps ? steps.v[i] : 1;
        if (step[axis] == 0) {
            return ref_bad(c, "a step is 0");
        }
        s.dim[axis] = ref_slice_axis(x->shape.dim[axis], &start[axis],
                                     ends.v[i], step[axis]);
    }
    ref_slice(&x->shape, start, step, &s, x->data, ref_out(c, 0, x->type, &s));
    return true;
}

bool ref_run_gather(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape x = c->in[0]->shape;
    const struct ref_shape ids = c->in[1]->shape;
    const int64_t *indices = ref_in_ints(c, 1);
    int axis;
    if (!ref_axis(c, ref_attr_int(c, "axis", 0), x.rank, &axis)) {
        return false;
    }
    if (!indices || x.rank - 1 + ids.rank > REF_MAX_RANK) {
        return ref_unsupported(c, "indices");
    }
    struct ref_shape s = {x.rank - 1 + ids.rank, {0}};
    for (int i = 0; i < s.rank; i++) {
        s.dim[i] = i < axis              ? x.dim[i]
                   : i < axis + ids.rank ? ids.dim[i - axis]
                                         : x.dim[i - ids.rank + 1];
    }
    return ref_gather(ref_span(&x, 0, axis), x.dim[axis],
                      ref_span(&x, axis + 1, x.rank), indices, ref_count(&ids),
                      c->in[0]->data, ref_out(c, 0, c->in[0]->type, &s)) ||
           ref_bad(c, "an index is out of range");
}

bool ref_run_reshape(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape x = c->in[0]->shape;
    struct ref_list want;
    bool is_there;
    if (!ref_arg_list(c, "shape", 1, &want, &is_there)) {
        return false;
    }
    if (want.n > REF_MAX_RANK) {
        return ref_unsupported(c, "rank");
    }
    struct ref_shape s = {want.n, {0}};
    int64_t known = 1;
    int open = -1;
    for (int i = 0; i < s.rank; i++) {
        s.dim[i] = want.v[i];
        if (want.v[i] == 0 && ref_attr_int(c, "allowzero", 0) == 0) {
            s.dim[i] = i < x.rank ? x.dim[i] : -2;
        }
        if (s.dim[i] < -1 || (s.dim[i] == -1 && open >= 0)) {
            return ref_bad(c, "bad target shape");
        }
        if (s.dim[i] == -1) {
            open = i;
        } else {
            known *= s.dim[i];
        }
    }
    if (open >= 0) {
        s.dim[open] = known > 0 ? ref_count(&x) / known : 0;
    }
    return view(c, &s);
}

static bool unsqueezed(struct ref_call *c, const struct ref_list *axes,
                       struct ref_shape *s)
{
    const struct ref_shape x = c->in[0]->shape;
    unsigned added = 0;
    int axis;
    if (x.rank + axes->n > REF_MAX_RANK) {
        return ref_unsupported(c, "rank");
    }
    s->rank = x.rank + axes->n;
    for (int i = 0; i < axes->n; i++) {
        if (!ref_axis(c, axes->v[i], s->rank, &axis)) {
            return false;
        }
        added |= 1U << axis;
    }
    int from = 0;
    for (int i = 0; i < s->rank; i++) {
        s->dim[i] = added >> i & 1U || from == x.rank ? 1 : x.dim[from++];
    }
    return true;
}

bool ref_run_view(struct ref_call *c, int kind)
{
    const struct ref_shape x = c->in[0]->shape;
    struct ref_shape s = {0, {0}};
    struct ref_list axes;
    bool is_there;
    int axis;
    switch ((enum ref_move_kind)kind) {
    case REF_MOVE_IDENTITY: /* Dropout too: inference keeps everything */
        if (ref_wants(c, 1)) {
            int64_t *mask = ref_out(c, 1, REF_BOOL, &x);
            for (int64_t i = 0; i < ref_count(&x); i++) {
                mask[i] = 1;
            }
        }
        if (ref_in_ints(c, 2) && *ref_in_ints(c, 2)) {
            return ref_unsupported(c, "training_mode");
        }
        return view(c, &x);
    case REF_MOVE_FLATTEN: {
        const int64_t split = ref_attr_int(c, "axis", 1);
        if (split < -x.rank || split > x.rank) {
            return ref_bad(c, "axis out of range");
        }
        axis = (int)(split < 0 ? split + x.rank : split);
        s.rank = 2;
        s.dim[0] = ref_span(&x, 0, axis);
        s.dim[1] = ref_span(&x, axis, x.rank);
        return view(c, &s);
    }
    case REF_MOVE_SQUEEZE:
    case REF_MOVE_UNSQUEEZE:
    case REF_DEPTH_TO_SPACE:
    case REF_SPACE_TO_DEPTH:
        break;
    }
    if (!ref_arg_list(c, "axes", 1, &axes, &is_there)) {
        return false;
    }
    if (kind == REF_MOVE_UNSQUEEZE) {
        return unsqueezed(c, &axes, &s) && view(c, &s);
    }
    unsigned dropped = 0;
    for (int i = 0; i < (is_there ? axes.n : x.rank); i++) {
        if (!ref_axis(c, is_there ? axes.v[i] : i, x.rank, &axis)) {
            return false;
        }
        if (is_there && x.dim[axis] != 1) {
            return ref_bad(c, "a squeezed dimension is not 1");
        }
        dropped |= x.dim[axis] == 1 ? 1U << axis : 0U;
    }
    for (int i = 0; i < x.rank; i++) {
        if ((dropped >> i & 1U) == 0) {
            s.dim[s.rank++] = x.dim[i];
        }
    }
    return view(c, &s);
}

bool ref_run_shape(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape *x = &c->in[0]->shape;
    int64_t start = ref_attr_int(c, "start", 0);
    const int64_t n =
        ref_slice_axis(x->rank, &start, ref_attr_int(c, "end", x->rank), 1);
    const struct ref_shape s = {1, {n}};
    memcpy(ref_out(c, 0, REF_I64, &s), x->dim + start, (size_t)n * 8);
    return true;
}

bool ref_run_size(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape s = {0, {0}};
    *(int64_t *)ref_out(c, 0, REF_I64, &s) = ref_count(&c->in[0]->shape);
    return true;
}

bool ref_run_constant(struct ref_call *c, int kind)
{
    (void)kind;
    const Onnx__AttributeProto *a =
        c->node->n_attribute == 1 ? c->node->attribute[0] : NULL;
    const char *name = a ? a->name : "";
    const struct ref_shape none = {0, {0}};
    if (strcmp(name, "value") == 0 && a->t) {
        c->out[0] = ref_tensor_from_proto(a->t, c->folder, c->err);
        return c->out[0] != NULL;
    }
    if (strcmp(name, "value_float") == 0) {
        *(double *)ref_out(c, 0, REF_F32, &none) = (double)a->f;
        return true;
    }
    if (strcmp(name, "value_int") == 0) {
        *(int64_t *)ref_out(c, 0, REF_I64, &none) = a->i;
        return true;
    }
    if (strcmp(name, "value_floats") == 0) {
        const struct ref_shape s = {1, {(int64_t)a->n_floats}};
        double *y = ref_out(c, 0, REF_F32, &s);
        for (size_t i = 0; i < a->n_floats; i++) {
            y[i] = (double)a->floats[i];
        }
        return true;
    }
    if (strcmp(name, "value_ints") == 0) {
        const struct ref_shape s = {1, {(int64_t)a->n_ints}};
        int64_t *y = ref_out(c, 0, REF_I64, &s);
        for (size_t i = 0; i < a->n_ints; i++) {
            y[i] = a->ints[i];
        }
        return true;
    }
    return ref_unsupported(c, "this form of constant");
}

/* A shape from input ix. */
static bool shape_arg(struct ref_call *c, int ix, struct ref_shape *s)
{
    struct ref_list want;
    bool is_there;
    if (!ref_arg_list(c, "", ix, &want, &is_there)) {
        return false;
    }
    if (!is_there || want.n > REF_MAX_RANK) {
        return ref_unsupported(c, "shape");
    }
    s->rank = want.n;
    for (int i = 0; i < s->rank; i++) {
        s->dim[i] = want.v[i];
        if (want.v[i] < 0 || want.v[i] > INT32_MAX) {
            return ref_bad(c, "bad dimension");
        }
    }
    return true;
}

bool ref_run_fill(struct ref_call *c, int kind)
{
    (void)kind;
    const Onnx__AttributeProto *a = ref_attr(c, "value");
    const struct ref_shape none = {0, {0}};
    struct ref_shape s;
    if (!shape_arg(c, 0, &s)) {
        return false;
    }
    struct ref_tensor *value = NULL;
    if (a && a->t) {
        value = ref_tensor_from_proto(a->t, c->folder, c->err);
        if (!value) {
            return false;
        }
    } else {
        value = ref_tensor_new(REF_F32, &none);
    }
    const bool is_one = ref_count(&value->shape) == 1;
    if (is_one) {
        ref_expand(&none, &s, value->data, ref_out(c, 0, value->type, &s));
    }
    ref_tensor_free(value);
    return is_one || ref_bad(c, "value is not one element");
}

bool ref_run_expand(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    struct ref_shape want;
    struct ref_shape s;
    if (!shape_arg(c, 1, &want)) {
        return false;
    }
    if (!ref_broadcast(&x->shape, &want, &s)) {
        return ref_bad(c, "shapes do not broadcast");
    }
    ref_expand(&x->shape, &s, x->data, ref_out(c, 0, x->type, &s));
    return true;
}

bool ref_run_tile(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    const int64_t begin[REF_MAX_RANK] = {0};
    struct ref_shape s;
    if (!shape_arg(c, 1, &s)) {
        return false;
    }
    if (s.rank != x->shape.rank) {
        return ref_bad(c, "repeats has another length than the rank");
    }
    for (int i = 0; i < s.rank; i++) {
        s.dim[i] *= x->shape.dim[i];
    }
    ref_pad(&x->shape, begin, &s, REF_PAD_WRAP, NULL, x->data,
            ref_out(c, 0, x->type, &s));
    return true;
}

bool ref_run_where(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *a = c->in[1];
    const struct ref_tensor *b = c->in[2];
    const int64_t *cond = ref_in_ints(c, 0);
    struct ref_shape s;
    if (!cond || a->type != b->type ||
        !ref_broadcast(&a->shape, &b->shape, &s) ||
        !ref_broadcast(&c->in[0]->shape, &s, &s)) {
        return ref_bad(c, "shapes or types do not match");
    }
    ref_where(&c->in[0]->shape, cond, &a->shape, a->data, &b->shape, b->data,
              &s, ref_out(c, 0, a->type, &s));
    return true;
}

bool ref_run_pad(struct ref_call *c, int kind)
{
    (void)kind;
    static const char *const modes[REF_N_PAD_MODES] = {
        [REF_PAD_CONSTANT] = "constant",
        [REF_PAD_REFLECT] = "reflect",
        [REF_PAD_EDGE] = "edge",
        [REF_PAD_WRAP] = "wrap"};
    const struct ref_tensor *x = c->in[0];
    const struct ref_tensor *fill = ref_in(c, 2);
    const double attr_value = ref_attr_float(c, "value", 0.0);
    struct ref_shape s = x->shape;
    struct ref_list pads;
    struct ref_list axes;
    bool is_there;
    bool has_axes;
    int mode;
    if (!ref_attr_choice(c, "mode", modes, REF_N_PAD_MODES, &mode) ||
        !ref_arg_list(c, "pads", 1, &pads, &is_there) ||
        !ref_arg_list(c, "", 3, &axes, &has_axes)) {
        return false;
    }
    const int n = has_axes ? axes.n : s.rank;
    if (pads.n != 2 * n || (fill && fill->type != x->type)) {
        return ref_bad(c, "pads has a wrong length, or value a wrong type");
    }
    int64_t begin[REF_MAX_RANK] = {0};
    for (int i = 0; i < n; i++) {
        int axis;
        if (!ref_axis(c, has_axes ? axes.v[i] : i, s.rank, &axis)) {
            return false;
        }
        begin[axis] = pads.v[i];
        s.dim[axis] += pads.v[i] + pads.v[n + i];
        if (s.dim[axis] < 0 || (mode != REF_PAD_CONSTANT && s.dim[axis] > 0 &&
                                x->shape.dim[axis] == 0)) {
            return ref_bad(c, "pads leave no extent");
        }
    }
    ref_pad(&x->shape, begin, &s, (enum ref_pad_mode)mode,
            fill ? fill->data : &attr_value, x->data,
            ref_out(c, 0, x->type, &s));
    return true;
}

bool ref_run_range(struct ref_call *c, int kind)
{
    (void)kind;
    const double start = *ref_in_floats(c, 0);
    const double limit = *ref_in_floats(c, 1);
    const double delta = *ref_in_floats(c, 2);
    const double n = ceil((limit - start) / delta);
    const struct ref_shape s = {1, {n > 0.0 && n < 1e9 ? (int64_t)n : 0}};
    double *y = ref_out_floats(c, 0, c->in[0]->type, &s);
    for (int64_t i = 0; i < s.dim[0]; i++) {
        y[i] = start + (double)i * delta;
    }
    return true;
}

/* DepthToSpace and SpaceToDepth: split, transpose, join. */
bool ref_run_blocks(struct ref_call *c, int kind)
{
    static const char *const modes[] = {"DCR", "CRD"};
    static const int64_t dcr[] = {0, 3, 4, 1, 5, 2};
    static const int64_t crd[] = {0, 1, 4, 2, 5, 3};
    static const int64_t to_depth[] = {0, 3, 5, 1, 2, 4};
    const struct ref_shape x = c->in[0]->shape;
    const int64_t b = ref_attr_int(c, "blocksize", 0);
    int mode;
    if (!ref_attr_choice(c, "mode", modes, 2, &mode)) {
        return false;
    }
    if (x.rank != 4 || b < 1 || b > INT16_MAX) {
        return ref_bad(c, "rank is not 4, or no blocksize");
    }
    struct ref_shape s = {4, {x.dim[0]}};
    struct ref_shape split = {6, {x.dim[0]}};
    const int64_t *perm;
    if (kind == REF_SPACE_TO_DEPTH) {
        perm = to_depth;
        s.dim[1] = x.dim[1] * b * b;
        s.dim[2] = x.dim[2] / b;
        s.dim[3] = x.dim[3] / b;
        memcpy(split.dim + 1, (int64_t[]){x.dim[1], s.dim[2], b, s.dim[3], b},
               5 * 8);
    } else {
        perm = mode == 0 ? dcr : crd;
        s.dim[1] = x.dim[1] / (b * b);
        s.dim[2] = x.dim[2] * b;
        s.dim[3] = x.dim[3] * b;
        memcpy(split.dim + 1,
               mode == 0 ? (int64_t[]){b, b, s.dim[1], x.dim[2], x.dim[3]}
                         : (int64_t[]){s.dim[1], b, b, x.dim[2], x.dim[3]},
               5 * 8);
    }
    if (ref_count(&split) != ref_count(&x)) {
        return ref_bad(c, "blocksize does not divide");
    }
    ref_transpose(&split, perm, c->in[0]->data,
                  ref_out(c, 0, c->in[0]->type, &s));
    return true;
}

bool ref_run_trilu(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    const struct ref_shape s = x->shape;
    const bool is_upper = ref_attr_int(c, "upper", 1) != 0;
    const int64_t k = ref_in_ints(c, 1) ? *ref_in_ints(c, 1) : 0;
    if (s.rank < 2) {
        return ref_bad(c, "rank below 2");
    }
    char *y = ref_out(c, 0, x->type, &s);
    for (int64_t i = 0; i < ref_count(&s); i++) {
        const int64_t col = i % s.dim[s.rank - 1];
        const int64_t row = i / s.dim[s.rank - 1] % s.dim[s.rank - 2];
        if (is_upper ? col - row >= k : col - row <= k) {
            memcpy(y + i * 8, (const char *)x->data + i * 8, 8);
        }
    }
    return true;
}
