#include "kernels/catalogue.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/size.h"
#include "flexrt/kernel_fields.h"
#include "kernels/kern_parts.h"

static const struct kern kerns[] = {
#define FAST_KERN(ID, KIND, NAME, WEIGHTS, FITS, ARGS, SCRATCH, COST, GRID,    \
                  SHARED)                                                      \
    {FLX_K_##ID, LAYER_##KIND, NAME,  WEIGHTS_##WEIGHTS, FITS, ARGS, SCRATCH,  \
     COST,       GRID,         SHARED},
#define KERN(ID, KIND, NAME, WEIGHTS, FITS, ARGS, SCRATCH, COST)               \
    FAST_KERN(ID, KIND, NAME, WEIGHTS, FITS, ARGS, SCRATCH, COST, 1, NULL)
#include "kernels/kern.def"
#undef KERN
};
_Static_assert(ARRAY_LEN(kerns) == ARRAY_LEN(flx_kernel_infos),
               "one row per device kernel");

/* The numbers that the device's enums share with the compiler's. */
_Static_assert((int)FLX_ACT_GELU_TANH == (int)ACT_GELU_TANH, "activations");
_Static_assert((int)FLX_RES_AFTER_ACT == (int)RES_AFTER_ACT, "residuals");
_Static_assert((int)FLX_EXPR_SELECT == (int)EXPR_SELECT &&
                   (int)FLX_EXPR_ERF == (int)EXPR_ERF &&
                   (int)FLX_EXPR_SATURATE == (int)EXPR_SATURATE &&
                   (int)FLX_EXPR_EQ == (int)EXPR_EQ,
               "elementwise steps");
_Static_assert((int)FLX_CEIL == (int)NEAREST_CEIL, "nearest modes");
_Static_assert((int)FLX_REDUCE_L2 == (int)REDUCE_L2 &&
                   (int)FLX_REDUCE_ARGMIN == (int)REDUCE_ARGMIN,
               "reductions");
_Static_assert((int)FLX_ATTN_MASK_SELECT == (int)ATTN_MASK_SELECT &&
                   (int)FLX_ATTN_BLIND_GUARD == (int)ATTN_BLIND_GUARD,
               "masks");
_Static_assert((int)FLX_MAX_RANK == (int)TENSOR_MAX_RANK &&
                   (int)FLX_EWISE_MAX_IN == (int)LAYER_MAX_IN &&
                   (int)FLX_EXPR_MAX_STEP == (int)EXPR_MAX_STEP &&
                   (int)FLX_MAX_ARG == (int)LAYER_MAX_IN + 1 &&
                   (int)FLX_TENSOR_INTS == (int)TENSOR_MAX_INT &&
                   (int)FLX_TENSOR_FLOATS == (int)TENSOR_MAX_FLOAT,
               "sizes of argument blocks");

/* Whether a FAST_KERN row may be taken at all. */
static bool is_allowed(const struct kern *k, const struct layer *l,
                       const struct options *opt)
{
    if (opt->numerics == NUMERICS_DIRECT || opt->target->cls != CLASS_HOSTED) {
        return false;
    }
    struct conv_cut cut;
    kern_conv_cut(l, k, opt->target, &cut);
    return cut.n_kblock == 1;
}

const struct kern *kern_find(const struct layer *l, const struct options *opt,
                             const char **why)
{
    const struct kern *best = NULL;
    *why = "a layer of this kind";
    for (size_t i = 0; i < ARRAY_LEN(kerns); i++) {
        const struct kern *k = &kerns[i];
        if (k->kind != l->kind || !k->fits(l, why) ||
            (k->shared && !is_allowed(k, l, opt))) {
            continue;
        }
        uint64_t ns = k->cost(l, opt->device);
        if (best && !k->shared) {
            /* A fast one needs scratch and rounds more: it must be worth it. */
            ns -= size_min(ns, ns / 8 + 4 * opt->device->step_ns);
        }
        if (!best || ns < best->cost(l, opt->device)) {
            best = k;
        }
        if (!k->shared) {
            break; /* fast rows come before the one they stand in for */
        }
    }
    return best;
}

/* Of several panels next to each other, where the target has the registers. */
static bool has_tiles(const struct kern *k)
{
    return k->id == FLX_K_CONV_F32_DIRECT;
}

uint64_t kern_whole_ns(const struct layer *l, uint32_t kernel,
                       const struct device *d)
{
    uint32_t i = 0;
    while (kerns[i].id != kernel) {
        i++;
        assert(i < ARRAY_LEN(kerns));
    }
    const uint64_t tile = size_max(1, d->tile_panels);
    const uint64_t panels =
        has_tiles(&kerns[i])
            ? size_div_up(l->dim[3] / l->p.conv.group, FLX_PANEL)
            : 0;
    const uint64_t empty =
        (size_div_up(panels, tile) * tile - panels) * l->p.conv.group;
    return kerns[i].cost(l, d) +
           (panels > 0 ? empty * direct_idle_ns(l, d) : 0);
}

static const struct kern *find(const struct layer *l, const struct options *opt,
                               struct cx *cx)
{
    const char *why = NULL;
    const struct kern *k = kern_find(l, opt, &why);
    if (!k) {
        diag_error(cx->diag, E_UNSUPPORTED, at_node(l->name, l->op),
                   "no kernel computes %s", why);
    }
    return k;
}

bool kern_choose(const struct layer *l, const struct options *opt,
                 struct cx *cx, uint32_t *id)
{
    const struct kern *k = find(l, opt, cx);
    if (!k) {
        return false;
    }
    *id = k->id;
    return true;
}

/* ---- the cut of weights ---- */

/* Rows of 64 bytes; a panel's parameters take up to two of them. */
enum { ROW_BYTES = FLX_PANEL * 4, PARAM_ROWS = 2 };

/* Of k rows, the length of the fewest blocks of nearly equal length, a multiple
 * of 4, of which none has more than `most`, a multiple of 4. */
static uint64_t equal_blocks(uint64_t k, uint64_t most)
{
    const uint64_t n = size_max(1, size_div_up(k, most));
    return size_div_up(size_div_up(k, n), 4) * 4;
}

void kern_conv_cut(const struct layer *l, const struct kern *k,
                   const struct target *target, struct conv_cut *cut)
{
    const struct conv_param *p = &l->p.conv;
    const uint64_t out_c = l->dim[3];
    const uint64_t taps = (uint64_t)p->kernel[0] * p->kernel[1];
    const bool is_fours = k->weights == WEIGHTS_FOURS;
    *cut = (struct conv_cut){
        .is_integer = is_fours || k->weights == WEIGHTS_BYTES,
        .spans = k->weights != WEIGHTS_CONV && !is_fours,
    };
    cut->oc = cut->spans ? out_c : out_c / p->group;
    cut->group_panels = size_div_up(cut->oc, FLX_PANEL);
    cut->n_panel = cut->group_panels * (cut->spans ? 1 : p->group);
    cut->k = taps * l->in[0].dim[3] / p->group;
    if (cut->is_integer) { /* sums cannot wait in an output of 8 bits */
        const uint64_t row = cut->k / p->kernel[0];
        cut->k = is_fours ? size_div_up(row, 4) * 4 * p->kernel[0]
                          : size_div_up(cut->k, 4) * 4;
        cut->k_block = cut->k;
        cut->n_kblock = 1;
        return;
    }
    const bool is_whole = k->weights == WEIGHTS_DEPTHWISE;
    const uint64_t most =
        (target->chunk_limit / ROW_BYTES - PARAM_ROWS) / 4 * 4;
    cut->k_block = equal_blocks(cut->k, is_whole ? cut->k : most);
    /* Cut as f32 weights are: narrow ones are smaller. Winograd reads them as
     * they are. */
    if (layer_is_narrow(l) && !k->shared) {
        cut->widen = is_whole ? cut->k_block
                              : equal_blocks(cut->k_block, target->widen_rows);
        cut->k_block = size_div_up(cut->k_block, cut->widen) * cut->widen;
    }
    cut->n_kblock = size_div_up(cut->k, cut->k_block);
}

static uint64_t panel_bytes(const struct layer *l, const struct conv_cut *cut,
                            uint64_t kblock)
{
    if (cut->is_integer) {
        return quant_panel_bytes(l, cut);
    }
    const uint64_t rows = block_rows(cut, kblock);
    const uint64_t params = block_params(l, cut, kblock);
    if (!layer_is_narrow(l)) {
        return ROW_BYTES * (params + rows);
    }
    const uint64_t each = FLX_PANEL * stored_size(l);
    return ROW_BYTES * (params + (l->stored == DTYPE_I8)) +
           size_div_up(rows * each, FLX_PANEL_ALIGN) * FLX_PANEL_ALIGN;
}

static bool is_conv(const struct kern *k)
{
    return k->weights == WEIGHTS_CONV || k->weights == WEIGHTS_DEPTHWISE ||
           k->weights == WEIGHTS_LANES || k->weights == WEIGHTS_FOURS ||
           k->weights == WEIGHTS_BYTES;
}

/* Bytes of a table's panel: what a run reads of it for one entry. */
enum { TABLE_GOAL = 16384 };

/* Panels of a 1x1 convolution are [16 biases][element][16 entries]. */
static struct table_cut table_of(const struct layer *l,
                                 const struct options *opt)
{
    struct table_cut t;
    const struct layer *tied = l->p.embed.tied;
    const char *why = NULL;
    const struct kern *k = tied ? kern_find(tied, opt, &why) : NULL;
    if (k && k->weights == WEIGHTS_CONV) {
        struct conv_cut cut;
        kern_conv_cut(tied, k, opt->target, &cut);
        const uint64_t params = ROW_BYTES * block_params(tied, &cut, 0);
        const uint64_t size = stored_size(l);
        t = (struct table_cut){
            .is_tied = true,
            .entries = FLX_PANEL,
            .n_panel = cut.n_panel,
            .panel_bytes = panel_bytes(tied, &cut, 0),
            .scales = params,
            .first = params + (l->stored == DTYPE_I8 ? ROW_BYTES : 0),
            .entry_step = size,
            .elem_step = FLX_PANEL * size,
        };
        if (cut.n_kblock == 1) {
            return t;
        }
    }
    embed_cut(l, size_min(TABLE_GOAL, opt->target->chunk_goal), &t);
    return t;
}

static struct conv_cut cut_of(const struct layer *l, const struct kern *k,
                              const struct options *opt)
{
    struct conv_cut cut = {.n_panel = 1, .n_kblock = 1};
    if (is_conv(k)) {
        kern_conv_cut(l, k, opt->target, &cut);
    } else if (k->weights == WEIGHTS_HEADS) {
        cut.n_panel = attention_panels(l);
    } else if (k->weights == WEIGHTS_TABLE) {
        cut.n_panel = table_of(l, opt).n_panel;
    }
    return cut;
}

bool kern_lattice(const struct layer *l, const struct options *opt,
                  struct cx *cx, struct lattice *t)
{
    const struct kern *k = find(l, opt, cx);
    if (!k) {
        return false;
    }
    const struct conv_cut cut = cut_of(l, k, opt);
    /* Plans and chunks count panels and K blocks in 16 bits. */
    if (cut.n_panel > UINT16_MAX || cut.n_kblock > UINT16_MAX) {
        return diag_error(cx->diag, E_TOO_BIG, at_node(l->name, l->op),
                          "%llu panels x %llu blocks of weights, 65535 of each "
                          "are the most",
                          (unsigned long long)cut.n_panel,
                          (unsigned long long)cut.n_kblock);
    }
    struct lattice out = {.n_panel = (uint32_t)cut.n_panel,
                          .n_kblock = (uint32_t)cut.n_kblock};
    out.panel_bytes = arena_new(cx->keep, uint64_t, cut.n_kblock);
    if (!out.panel_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < out.n_kblock; i++) {
        uint64_t start[LAYER_MAX_WEIGHT];
        out.panel_bytes[i] =
            is_conv(k) ? panel_bytes(l, &cut, i) : plain_bytes(l, start);
    }
    if (k->weights == WEIGHTS_TABLE) {
        const struct table_cut table = table_of(l, opt);
        out.panel_bytes[0] = table.panel_bytes;
        out.borrows = table.is_tied;
        out.is_table = table.n_panel > 1;
        out.panel_entries = out.is_table ? (uint32_t)table.entries : 0;
    }
    *t = out;
    return true;
}

bool kern_pack(const struct layer *l, const struct options *opt,
               const struct lattice *t, uint32_t kblock, uint32_t panel,
               uint32_t n_panel, uint8_t *dst, struct cx *cx)
{
    const struct kern *k = find(l, opt, cx);
    if (!k) {
        return false;
    }
    assert(kblock < t->n_kblock && n_panel <= t->n_panel &&
           panel <= t->n_panel - n_panel);
    if (k->weights == WEIGHTS_TABLE) {
        const struct table_cut table = table_of(l, opt);
        for (uint32_t i = 0; i < n_panel; i++) {
            if (!pack_table(l, &table, panel + i, cx,
                            dst + i * table.panel_bytes)) {
                return false;
            }
        }
        return true;
    }
    if (!is_conv(k)) {
        pack_plain(l, dst);
        return true;
    }
    const struct conv_cut cut = cut_of(l, k, opt);
    for (uint32_t i = 0; i < n_panel; i++) {
        if (cut.is_integer) {
            pack_quant(l, &cut, panel + i, dst + i * t->panel_bytes[0]);
            continue;
        }
        uint8_t *const to = dst + i * t->panel_bytes[kblock];
        if (!layer_is_narrow(l)) {
            pack_conv(l, &cut, kblock, panel + i, to);
        } else if (!pack_narrow(l, &cut, kblock, panel + i, cx, to)) {
            return false;
        }
    }
    return true;
}

/* ---- candidates ---- */

uint32_t fit_u(struct fit *f, uint64_t v)
{
    f->bad = f->bad || v > UINT32_MAX;
    return (uint32_t)v;
}

int32_t fit_i(struct fit *f, int64_t v)
{
    f->bad = f->bad || v > INT32_MAX || v < INT32_MIN;
    return (int32_t)v;
}

bool operand_is_f32(const struct operand *o)
{
    return o->dtype == DTYPE_F32;
}

uint64_t rate_ns(uint64_t amount, uint64_t per_us)
{
    uint64_t scaled = 0;
    if (!size_mul(&scaled, amount, 1000)) {
        return amount / per_us * 1000;
    }
    return size_div_up(scaled, per_us);
}

uint64_t layer_elements(const struct layer *l)
{
    uint64_t n = 1;
    for (uint32_t k = 0; k < l->rank; k++) {
        n *= l->dim[k];
    }
    return n;
}

uint64_t no_scratch(const struct layer *l)
{
    (void)l;
    return 0;
}

bool kern_cand(const struct layers *layers, const struct layer *l,
               const struct options *opt, struct cx *cx, struct cand *c)
{
    const struct kern *k = find(l, opt, cx);
    if (!k) {
        return false;
    }
    const struct conv_cut cut = cut_of(l, k, opt);
    const uint32_t n_word = flx_kernel_info_find(k->id)->n_word;
    uint32_t *word = arena_new(cx->keep, uint32_t, n_word);
    if (!word) {
        return false;
    }
    uint64_t start[LAYER_MAX_WEIGHT];
    plain_bytes(l, start);
    struct table_cut table = {0};
    if (k->weights == WEIGHTS_TABLE) {
        table = table_of(l, opt);
    }
    const struct arg_in in = {layers, l, &cut, start, &table};
    struct fit fit = {false};
    k->args(&in, word, &fit);
    if (fit.bad) {
        return diag_error(cx->diag, E_TOO_BIG, at_node(l->name, l->op),
                          "a size or stride of this layer does not fit 32 "
                          "bits");
    }
    *c = (struct cand){
        .kernel = k->id,
        .algorithm = k->algorithm,
        .word = word,
        .n_word = n_word,
        .row_grid = k->row_grid,
        .rows_cut = true,
        .panels_cut =
            k->weights != WEIGHTS_PLAIN && k->weights != WEIGHTS_TABLE,
        .scratch_bytes = k->scratch(l),
        .box_ns = opt->device->step_ns,
        .all_ns = k->cost(l, opt->device),
    };
    if (has_tiles(k)) {
        c->idle_ns = direct_idle_ns(l, opt->device);
        c->tile_panels = opt->device->tile_panels;
    }
    if (cut.widen > 0) {
        return widen_rooms(l, &cut, opt, cx, c);
    }
    return !k->shared || k->shared(l, opt->device, cx, c);
}

bool cand_build(const struct layers *l, const struct chunks *chunks,
                const struct options *opt, struct cx *cx, struct cands *c)
{
    assert(chunks->n_layer == l->n_layer);
    struct cands out = {.n_layer = l->n_layer, .n_thread = opt->n_thread};
    out.cand = arena_new(cx->keep, struct cand, l->n_layer);
    if (!out.cand) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (!kern_cand(l, &l->layer[i], opt, cx, &out.cand[i])) {
            return false;
        }
    }
    *c = out;
    return true;
}
