#include "run/run_image.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "run/run_stb.h"

/* Axes of a tensor that holds a picture; RUN_MAX_RANK: no such axis. */
struct axes {
    uint64_t height;
    uint64_t width;
    uint64_t channels;
    bool is_last; /* channels */
};

bool run_image_is(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot &&
           (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
            strcasecmp(dot, ".jpeg") == 0);
}

static bool is_channels(uint64_t n)
{
    return n == 1 || n == 3 || n == 4;
}

/* False when the tensor is no picture in that layout. */
static bool find_axes(const struct run_tensor *t, enum run_layout layout,
                      struct axes *out)
{
    const uint64_t *dim = t->dim;
    uint32_t rank = t->rank;
    if (rank == 4 && dim[0] == 1) {
        dim++;
        rank--;
    }
    if (rank == 2) {
        *out = (struct axes){dim[0], dim[1], 1, true};
        return true;
    }
    if (rank != 3) {
        return false;
    }
    if (layout == RUN_LAYOUT_AUTO) {
        layout = is_channels(dim[0]) ? RUN_NCHW : RUN_NHWC;
    }
    *out = layout == RUN_NCHW ? (struct axes){dim[1], dim[2], dim[0], false}
                              : (struct axes){dim[0], dim[1], dim[2], true};
    return is_channels(out->channels);
}

static bool refuse_shape(struct cx *cx, const char *path,
                         const struct run_tensor *t)
{
    struct buf b;
    buf_init(&b, cx->scratch);
    run_tensor_print(&b, t);
    diag_error(cx->diag, E_INPUT, at_file(path),
               "a picture does not fit input '%s' %s, which needs 1, 3 or 4 "
               "channels; see --layout, or give a .npy file",
               t->name, buf_text(&b));
    buf_free(&b);
    return false;
}

static void fill(const struct run_image_opt *opt, const struct axes *a,
                 const uint8_t *pixel, const struct run_tensor *t, uint8_t *dst)
{
    const bool is_float = run_type_of(t->dtype)->cls == RUN_FLOAT;
    for (uint64_t c = 0; c < a->channels; c++) {
        const double mean =
            opt->n_mean ? opt->mean[opt->n_mean > 1 ? c : 0] : 0;
        const double std = opt->n_std ? opt->std[opt->n_std > 1 ? c : 0]
                           : is_float ? 255.0
                                      : 1.0;
        const uint64_t n_pixels = a->height * a->width;
        for (uint64_t i = 0; i < n_pixels; i++) {
            const double v = ((double)pixel[i * a->channels + c] - mean) / std;
            run_put(t->dtype, dst,
                    a->is_last ? i * a->channels + c : c * n_pixels + i, v);
        }
    }
}

/* Brings the decoded picture to the tensor's size; *pixel may be replaced by
 * memory of the scratch arena. */
static bool fit(const char *path, const struct run_image_opt *opt,
                const struct axes *a, int width, int height,
                const uint8_t **pixel, struct cx *cx)
{
    if ((uint64_t)width == a->width && (uint64_t)height == a->height) {
        return true;
    }
    if (!opt->is_resized) {
        return diag_error(cx->diag, E_INPUT, at_file(path),
                          "is %dx%d pixels, the input needs %" PRIu64
                          "x%" PRIu64 "; scale it first or add --resize",
                          width, height, a->width, a->height);
    }
    uint8_t *scaled =
        arena_alloc(cx->scratch, a->width * a->height * a->channels, 64);
    if (!scaled) {
        return false;
    }
    if (!stbir_resize_uint8(*pixel, width, height, 0, scaled, (int)a->width,
                            (int)a->height, 0, (int)a->channels)) {
        return diag_error(cx->diag, E_MEMORY, at_file(path),
                          "no memory to scale it");
    }
    *pixel = scaled;
    return true;
}

bool run_image_read(const char *path, const struct run_image_opt *opt,
                    struct cx *cx, struct run_tensor *t)
{
    struct axes a;
    struct file_map map;
    if (!run_tensor_count(t) || !find_axes(t, opt->layout, &a) ||
        a.width > INT_MAX || a.height > INT_MAX || t->n > INT_MAX) {
        return refuse_shape(cx, path, t);
    }
    const bool is_known = (opt->n_mean <= 1 || opt->n_mean == a.channels) &&
                          (opt->n_std <= 1 || opt->n_std == a.channels);
    if (!is_known) {
        return diag_error(cx->diag, E_USAGE, at_option("--mean, --std"),
                          "the input has %" PRIu64
                          " channels: give one value, or one for each",
                          a.channels);
    }
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    int width = 0;
    int height = 0;
    int found = 0;
    uint8_t *decoded =
        map.bytes.len <= INT_MAX
            ? stbi_load_from_memory(map.bytes.data, (int)map.bytes.len, &width,
                                    &height, &found, (int)a.channels)
            : NULL;
    file_unmap(&map);
    if (!decoded) {
        return diag_error(cx->diag, E_INPUT, at_file(path),
                          "is not a PNG or JPEG picture that can be read: %s",
                          stbi_failure_reason());
    }
    const struct arena_mark mark = arena_mark(cx->scratch);
    const uint8_t *pixel = decoded;
    uint8_t *dst = arena_alloc(cx->keep, run_tensor_bytes(t), 64);
    const bool ok = dst && fit(path, opt, &a, width, height, &pixel, cx);
    if (ok) {
        fill(opt, &a, pixel, t, dst);
        t->data = dst;
    }
    arena_rewind(cx->scratch, mark);
    stbi_image_free(decoded);
    return ok;
}
