/* kern_pack.c - constants in the model's order -> panels. */
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "kernels/kern_parts.h"

bool weight_is_float(const struct weight *w)
{
    return w->dtype == DTYPE_F32 || w->dtype == DTYPE_F64 ||
           w->dtype == DTYPE_F16 || w->dtype == DTYPE_BF16;
}

static uint32_t bits_of_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t mant = h & 0x3ffu;
    uint32_t e = (uint32_t)h >> 10 & 31u;
    if (e == 31) {
        return sign | 0x7f800000u | mant << 13;
    }
    if (e == 0) {
        if (mant == 0) {
            return sign;
        }
        e = 1;
        while (!(mant & 0x400u)) {
            mant <<= 1;
            e--; /* wraps below 0; the sum below is right again */
        }
        mant &= 0x3ffu;
    }
    return sign | (e + 112u) << 23 | mant << 13;
}

static uint32_t bits_of_f64(uint64_t u)
{
    double d;
    memcpy(&d, &u, sizeof d);
    const float f = (float)d;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Element i of a float weight as four bytes. */
static void put_float(uint8_t *dst, const struct weight *w, int64_t i)
{
    const uint8_t *src = w->data.data;
    if (w->dtype == DTYPE_F32) {
        memcpy(dst, src + 4 * i, 4);
    } else if (w->dtype == DTYPE_F64) {
        le32_put(dst, bits_of_f64(le64_get(src + 8 * i)));
    } else if (w->dtype == DTYPE_F16) {
        le32_put(dst, bits_of_f16(le16_get(src + 2 * i)));
    } else {
        le32_put(dst, (uint32_t)le16_get(src + 2 * i) << 16);
    }
}

/* ---- convolutions ---- */

uint64_t panel_channels(const struct conv_cut *cut, uint64_t panel,
                        uint64_t *first)
{
    const uint64_t group = panel / cut->group_panels;
    const uint64_t at = panel % cut->group_panels * FLX_PANEL;
    *first = group * cut->oc + at;
    return size_min(FLX_PANEL, cut->oc - at);
}

/* 16 floats of a per-channel weight. */
static void pack_params(const struct layer *l, uint32_t ix, uint64_t first,
                        uint64_t n, uint8_t *dst)
{
    memset(dst, 0, FLX_PANEL * 4);
    const struct weight *w = &l->weight[ix];
    if (ix >= l->n_weight || w->data.len == 0) {
        return;
    }
    const int64_t stride = w->rank > 0 ? w->stride[w->rank - 1] : 0;
    for (uint64_t i = 0; i < n; i++) {
        put_float(dst + 4 * i, w, (int64_t)(first + i) * stride);
    }
}

/* Rows of f32: lane l from src + l * lane_bytes, n of them; full panels are
 * what the time goes into. */
static void pack_row(uint8_t *dst, const uint8_t *src, int64_t lane_bytes,
                     uint64_t n)
{
    if (lane_bytes == 4) {
        memcpy(dst, src, 4 * n);
    } else if (n == FLX_PANEL) {
        for (int i = 0; i < FLX_PANEL; i++) {
            memcpy(dst + 4 * i, src + i * lane_bytes, 4);
        }
    } else {
        for (uint64_t i = 0; i < n; i++) {
            memcpy(dst + 4 * i, src + (int64_t)i * lane_bytes, 4);
        }
    }
    memset(dst + 4 * n, 0, 4 * (FLX_PANEL - n));
}

/* Rows [k0, k1) of K, channels first .. first + n. K is walked in blocks of
 * channels, all taps inside: where a flattened tensor was channels first,
 * neighbours in memory are taps, and a block's lines stay in the cache. */
static void pack_rows(const struct layer *l, uint64_t k0, uint64_t k1,
                      uint64_t first, uint64_t n, uint8_t *dst)
{
    const struct weight *w = &l->weight[0];
    const uint64_t taps_w = w->dim[2];
    const uint64_t c = w->dim[3];
    const uint64_t step = w->stride[3] == 1 ? c : 16;
    const uint64_t tap0 = k0 / c;
    const uint64_t tap1 = size_div_up(k1, c);
    for (uint64_t c0 = 0; c0 < c; c0 += step) {
        for (uint64_t tap = tap0; tap < tap1; tap++) {
            const uint64_t a = size_max(k0, tap * c + c0);
            const uint64_t b = size_min(k1, tap * c + size_min(c, c0 + step));
            const int64_t at = (int64_t)first * w->stride[0] +
                               (int64_t)(tap / taps_w) * w->stride[1] +
                               (int64_t)(tap % taps_w) * w->stride[2];
            for (uint64_t k = a; k < b; k++) {
                uint8_t *row = dst + (k - k0) * FLX_PANEL * 4;
                const int64_t i = at + (int64_t)(k - tap * c) * w->stride[3];
                if (w->dtype == DTYPE_F32) {
                    pack_row(row, w->data.data + 4 * i, 4 * w->stride[0], n);
                    continue;
                }
                memset(row, 0, FLX_PANEL * 4);
                for (uint64_t lane = 0; lane < n; lane++) {
                    put_float(row + 4 * lane, w,
                              i + (int64_t)lane * w->stride[0]);
                }
            }
        }
    }
}

uint64_t block_rows(const struct conv_cut *cut, uint64_t kblock)
{
    return size_min(cut->k_block, cut->k - kblock * cut->k_block);
}

uint64_t block_params(const struct layer *l, const struct conv_cut *cut,
                      uint64_t kblock)
{
    const bool has_bias = kblock == 0;
    const bool has_slopes =
        kblock + 1 == cut->n_kblock && l->epi.act == ACT_PRELU;
    return (uint64_t)has_bias + (uint64_t)has_slopes;
}

void pack_conv(const struct layer *l, const struct conv_cut *cut,
               uint64_t kblock, uint64_t panel, uint8_t *dst)
{
    uint64_t first = 0;
    const uint64_t n = panel_channels(cut, panel, &first);
    const uint64_t k0 = kblock * cut->k_block;
    const uint64_t k1 = size_min(cut->k, k0 + cut->k_block);
    if (kblock == 0) {
        pack_params(l, 1, first, n, dst);
        dst += FLX_PANEL * 4;
    }
    if (k1 == cut->k && l->epi.act == ACT_PRELU) {
        pack_params(l, 2, first, n, dst);
        dst += FLX_PANEL * 4;
    }
    pack_rows(l, k0, k1, first, n, dst);
}

/* ---- all other layers ---- */

/* Bytes of a packed element: floats become f32 where the layer computes. */
static uint32_t packed_bytes(const struct layer *l, uint32_t ix)
{
    for (uint32_t i = 0; i < l->n_in; i++) {
        if (l->in[i].buf == BUF_WEIGHTS && l->in[i].weight_ix == ix) {
            return dtype_bytes(l->in[i].dtype);
        }
    }
    return dtype_bytes(l->weight[ix].dtype);
}

uint64_t plain_bytes(const struct layer *l, uint64_t *start)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < l->n_weight; i++) {
        start[i] = bytes;
        bytes += weight_count(&l->weight[i]) * packed_bytes(l, i);
        bytes = size_div_up(bytes, FLX_PANEL_ALIGN) * FLX_PANEL_ALIGN;
    }
    return bytes;
}

/* Row-major, nothing between elements. */
static bool is_dense(const struct weight *w)
{
    int64_t step = 1;
    for (uint32_t k = w->rank; k-- > 0;) {
        if (w->dim[k] > 1 && w->stride[k] != step) {
            return false;
        }
        step *= (int64_t)w->dim[k];
    }
    return true;
}

static void pack_dense(const struct weight *w, uint32_t bytes, uint8_t *dst)
{
    const bool converts = bytes != dtype_bytes(w->dtype);
    const uint64_t n = weight_count(w);
    if (n > 0 && !converts && is_dense(w)) {
        memcpy(dst, w->data.data, n * bytes);
        return;
    }
    uint64_t at[TENSOR_MAX_RANK] = {0};
    int64_t src = 0;
    for (uint64_t i = 0; i < n; i++, dst += bytes) {
        if (converts) {
            put_float(dst, w, src);
        } else {
            memcpy(dst, w->data.data + src * (int64_t)bytes, bytes);
        }
        for (uint32_t k = w->rank; k-- > 0;) {
            src += w->stride[k];
            if (++at[k] < w->dim[k]) {
                break;
            }
            src -= (int64_t)w->dim[k] * w->stride[k];
            at[k] = 0;
        }
    }
}

void pack_plain(const struct layer *l, uint8_t *dst)
{
    uint64_t start[LAYER_MAX_WEIGHT];
    memset(dst, 0, plain_bytes(l, start));
    for (uint32_t i = 0; i < l->n_weight; i++) {
        pack_dense(&l->weight[i], packed_bytes(l, i), dst + start[i]);
    }
}
