/* kern_parts.h - what the catalogue's rows are made of. Private to the folder.
 */
#ifndef FLEXC_KERNELS_KERN_PARTS_H
#define FLEXC_KERNELS_KERN_PARTS_H

#include "base/cx.h"
#include "flexrt/flx_kernel.h"
#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/options.h"

enum kern_weights {
    WEIGHTS_CONV,
    WEIGHTS_DEPTHWISE,
    WEIGHTS_LANES,
    WEIGHTS_FOURS,
    WEIGHTS_BYTES,
    WEIGHTS_PLAIN,
    WEIGHTS_HEADS,
    WEIGHTS_TABLE
};

/* How a convolution's weights are cut; numbers as in catalogue.h. */
struct conv_cut {
    uint64_t group_panels; /* panels of a group; of all channels: see spans */
    bool is_integer;
    bool spans;  /* panels are 16 consecutive channels of all groups */
    uint64_t oc; /* channels of a group; of all if spans */
    uint64_t n_panel;
    uint64_t k;
    uint64_t k_block; /* of a stored block */
    uint64_t n_kblock;
    uint64_t widen; /* rows that are made f32 at a time; 0: they are, or need
                       not be */
};

/* Every number of an argument block goes through one of these: `bad` becomes
 * true when it does not fit. */
struct fit {
    bool bad;
};
uint32_t fit_u(struct fit *f, uint64_t v);
int32_t fit_i(struct fit *f, int64_t v);

/* How a table is cut: into panels of its own, or those of the convolution that
 * it is tied to, if that is not cut along K. Element c of entry i lies at byte
 * first + (i % entries) * entry_step + c * elem_step of panel i / entries. */
struct table_cut {
    bool is_tied;
    uint64_t entries; /* of a panel */
    uint64_t n_panel;
    uint64_t panel_bytes;
    uint64_t scales; /* byte of the panel's f32 scales, one an entry; I8 */
    uint64_t first;
    uint64_t entry_step;
    uint64_t elem_step;
};

/* What an argument block is made from. */
struct arg_in {
    const struct layers *layers; /* for the buffers */
    const struct layer *l;
    const struct conv_cut *cut; /* convolutions */
    const uint64_t *start;      /* PLAIN: of each weight in the panel, bytes */
    const struct table_cut *table; /* TABLE */
};

/* One row of kern.def. */
struct kern {
    uint32_t id;
    enum layer_kind kind;
    const char *algorithm;
    enum kern_weights weights;
    /* Whether the kernel computes the layer; *why: what it lacks. */
    bool (*fits)(const struct layer *l, const char **why);
    /* Fills the argument block, zeroed, of n_word words. */
    void (*args)(const struct arg_in *in, uint32_t *word, struct fit *f);
    uint64_t (*scratch)(const struct layer *l); /* bytes of a thread, x 64 */
    /* Arithmetic of the whole layer in one box, nanoseconds. */
    uint64_t (*cost)(const struct layer *l, const struct device *d);
    uint64_t row_grid; /* 1 but for FAST_KERN rows */
    /* Sets all_ns, rows_ns, panels_ns and what scratch is good for; NULL but
     * for FAST_KERN rows. */
    bool (*shared)(const struct layer *l, const struct device *d, struct cx *cx,
                   struct cand *c);
};

/* The row that computes the layer, see kern.def; NULL, *why set. */
const struct kern *kern_find(const struct layer *l, const struct options *opt,
                             const char **why);
/* kern_attention.c: heads, where no weights are in the way. */
uint64_t attention_panels(const struct layer *l);
void kern_conv_cut(const struct layer *l, const struct kern *k,
                   const struct target *target, struct conv_cut *cut);

/* kern_embed.c: a table with panels of its own. */
void embed_cut(const struct layer *l, uint64_t panel_goal,
               struct table_cut *cut);
NODISCARD bool pack_table(const struct layer *l, const struct table_cut *cut,
                          uint64_t panel, struct cx *cx, uint8_t *dst);

/* kern_pack.c: rows of weights of a K block, 16 floats of parameters before
 * them; a panel of it as f32. */
uint64_t block_rows(const struct conv_cut *cut, uint64_t kblock);
uint64_t block_params(const struct layer *l, const struct conv_cut *cut,
                      uint64_t kblock);
void pack_conv(const struct layer *l, const struct conv_cut *cut,
               uint64_t kblock, uint64_t panel, uint8_t *dst);
/* kern_narrow.c: whether weights are stored as F16 or I8; a panel of them; the
 * time that making all of them f32 takes, and the scratch for it. */
bool layer_is_narrow(const struct layer *l);
uint32_t stored_size(const struct layer *l); /* bytes of a weight */
uint32_t weight_type(const struct layer *l); /* enum flx_weight_type */
NODISCARD bool pack_narrow(const struct layer *l, const struct conv_cut *cut,
                           uint64_t kblock, uint64_t panel, struct cx *cx,
                           uint8_t *dst);
/* A row of n floats, as I8 with the scale *scale, which it finds. */
NODISCARD bool round_row(const struct layer *l, const uint8_t *src, uint64_t n,
                         struct cx *cx, uint8_t *dst, uint8_t *scale);
uint64_t widen_ns(const struct layer *l, const struct device *d);
NODISCARD bool widen_rooms(const struct layer *l, const struct conv_cut *cut,
                           const struct options *opt, struct cx *cx,
                           struct cand *c);
/* Bytes of the one panel of a PLAIN layer; start of each weight in it. */
uint64_t plain_bytes(const struct layer *l, uint64_t *start);
void pack_plain(const struct layer *l, uint8_t *dst);
/* Whether a weight can be read as floats / as it is. */
bool weight_is_float(const struct weight *w);
/* kern_quant.c: of a convolution of 8-bit numbers. */
uint64_t quant_panel_bytes(const struct layer *l, const struct conv_cut *cut);
void pack_quant(const struct layer *l, const struct conv_cut *cut,
                uint64_t panel, uint8_t *dst);
/* The panel's first output channel, in all groups, and its number of them. */
uint64_t panel_channels(const struct conv_cut *cut, uint64_t panel,
                        uint64_t *first);

/* Values of FLX_IMAGE_FIELDS for an operand N, H, W, C. */
struct image {
    uint32_t by_row;
    uint32_t row_bytes;
    uint32_t img_bytes;
    uint32_t row0;
    uint32_t col0;
    uint32_t pix;
};
struct image image_of(const struct arg_in *in, const struct operand *o,
                      struct fit *f);
/* Assigns them to the fields PREFIX_* of block A. */
#define PUT_IMAGE(A, PREFIX, V)                                                \
    ((A)->PREFIX##_by_row = (V).by_row,                                        \
     (A)->PREFIX##_row_bytes = (V).row_bytes,                                  \
     (A)->PREFIX##_img_bytes = (V).img_bytes, (A)->PREFIX##_row0 = (V).row0,   \
     (A)->PREFIX##_col0 = (V).col0, (A)->PREFIX##_pix = (V).pix)
/* Assigns FLX_WINDOW_FIELDS of the layer of arg_in IN to block A. */
#define PUT_WINDOW(A, IN, F)                                                   \
    do {                                                                       \
        const struct layer *y_ = (IN)->l;                                      \
        const struct conv_param *p_ = &y_->p.conv;                             \
        const struct image out_ = image_of((IN), &y_->out, (F));               \
        const struct image in_ = image_of((IN), &y_->in[0], (F));              \
        (A)->out_rows = fit_u((F), y_->dim[1]);                                \
        (A)->out_w = fit_u((F), y_->dim[2]);                                   \
        (A)->out_c = fit_u((F), y_->dim[3]);                                   \
        PUT_IMAGE(A, out, out_);                                               \
        (A)->in_rows = fit_u((F), y_->in[0].dim[1]);                           \
        (A)->in_w = fit_u((F), y_->in[0].dim[2]);                              \
        (A)->in_c = fit_u((F), y_->in[0].dim[3]);                              \
        PUT_IMAGE(A, in, in_);                                                 \
        (A)->group = p_->group;                                                \
        (A)->kernel_h = p_->kernel[0];                                         \
        (A)->kernel_w = p_->kernel[1];                                         \
        (A)->stride_h = p_->stride[0];                                         \
        (A)->stride_w = p_->stride[1];                                         \
        (A)->dilation_h = p_->dilation[0];                                     \
        (A)->dilation_w = p_->dilation[1];                                     \
        (A)->pad_top = p_->pad_begin[0];                                       \
        (A)->pad_left = p_->pad_begin[1];                                      \
    } while (0)
/* The same of FLX_POOL_WINDOW_FIELDS. */
#define PUT_POOL(A, IN, F)                                                     \
    do {                                                                       \
        const struct layer *y_ = (IN)->l;                                      \
        const struct pool_param *p_ = &y_->p.pool;                             \
        const struct image out_ = image_of((IN), &y_->out, (F));               \
        const struct image in_ = image_of((IN), &y_->in[0], (F));              \
        (A)->is_max = p_->kind == POOL_MAX;                                    \
        (A)->count_pad = p_->count_include_pad;                                \
        (A)->c = fit_u((F), y_->dim[3]);                                       \
        (A)->out_rows = fit_u((F), y_->dim[1]);                                \
        (A)->out_w = fit_u((F), y_->dim[2]);                                   \
        PUT_IMAGE(A, out, out_);                                               \
        (A)->in_rows = fit_u((F), y_->in[0].dim[1]);                           \
        (A)->in_w = fit_u((F), y_->in[0].dim[2]);                              \
        PUT_IMAGE(A, in, in_);                                                 \
        (A)->kernel_h = p_->kernel[0];                                         \
        (A)->kernel_w = p_->kernel[1];                                         \
        (A)->stride_h = p_->stride[0];                                         \
        (A)->stride_w = p_->stride[1];                                         \
        (A)->dilation_h = p_->dilation[0];                                     \
        (A)->dilation_w = p_->dilation[1];                                     \
        (A)->pad_top = p_->pad_begin[0];                                       \
        (A)->pad_left = p_->pad_begin[1];                                      \
        (A)->pad_bottom = p_->pad_end[0];                                      \
        (A)->pad_right = p_->pad_end[1];                                       \
    } while (0)
/* Whether an operand can be one: f32, channels next to each other. */
bool is_image(const struct operand *o, const char **why);
/* The same of any type. */
bool is_any_image(const struct operand *o, const char **why);
bool is_byte(enum dtype t);

/* Steps shared by the families. */
bool operand_is_f32(const struct operand *o);
uint64_t rate_ns(uint64_t amount, uint64_t per_us);
/* Times of parts of a layer: its images, activation. */
uint64_t image_ns(const struct layer *l, const struct device *d);
uint64_t epilogue_ns(const struct layer *l, const struct device *d);
/* kern_conv.c: what an empty place of the direct kernel's tiles takes. */
uint64_t direct_idle_ns(const struct layer *l, const struct device *d);
uint64_t conv_weight_bytes(const struct layer *l);
uint64_t layer_elements(const struct layer *l);

#define KERN(ID, KIND, NAME, WEIGHTS, FITS, ARGS, SCRATCH, COST)               \
    bool FITS(const struct layer *l, const char **why);                        \
    void ARGS(const struct arg_in *in, uint32_t *word, struct fit *f);         \
    uint64_t SCRATCH(const struct layer *l);                                   \
    uint64_t COST(const struct layer *l, const struct device *d);
#define FAST_KERN(ID, KIND, NAME, WEIGHTS, FITS, ARGS, SCRATCH, COST, GRID,    \
                  SHARED)                                                      \
    KERN(ID, KIND, NAME, WEIGHTS, FITS, ARGS, SCRATCH, COST)                   \
    bool SHARED(const struct layer *l, const struct device *d, struct cx *cx,  \
                struct cand *c);
#include "kernels/kern.def"
#undef KERN

#endif
