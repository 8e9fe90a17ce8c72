/* flx_act.h - the epilogue of convolutions, pools and elementwise layers, on
 * runs. */
#ifndef FLX_ACT_H
#define FLX_ACT_H

#include "flx_box.h"
#include "flx_math.h"

/* Activation `act` (not PRELU) of one vector. */
FLX_INLINE flx_v flx_act_v(uint32_t act, float a, float b, flx_v x)
{
    const flx_v zero = flx_splat(0.0f);
    const flx_v one = flx_splat(1.0f);
    switch (act) {
    case FLX_ACT_RELU:
        return flx_if_less(x, zero, zero, x);
    case FLX_ACT_CLIP:
        return flx_vmin(flx_splat(b), flx_vmax(flx_splat(a), x));
    case FLX_ACT_LEAKY:
        return flx_if_less(x, zero, flx_splat(a) * x, x);
    case FLX_ACT_SIGMOID:
        return flx_vsigmoid(x);
    case FLX_ACT_TANH:
        return flx_vtanh(x);
    case FLX_ACT_HARDSIGMOID:
        x = flx_vfma(flx_splat(a), x, flx_splat(b));
        return flx_vmin(one, flx_vmax(zero, x));
    case FLX_ACT_HARDSWISH: {
        const flx_v t = flx_vfma(x, flx_splat(0x1.555556p-3f), flx_splat(0.5f));
        return x * flx_vmin(one, flx_vmax(zero, t));
    }
    case FLX_ACT_SILU:
        return x * flx_vsigmoid(x);
    case FLX_ACT_GELU: {
        const flx_v e = flx_verf(x * flx_splat(0x1.6a09e6p-1f));
        return flx_splat(0.5f) * x * (e + one);
    }
    case FLX_ACT_GELU_TANH: {
        const flx_v p = flx_vfma(x * x, flx_splat(0x1.6e4e26p-5f), one);
        const flx_v t = flx_vtanh(flx_splat(0x1.988454p-1f) * x * p);
        return flx_splat(0.5f) * x * (t + one);
    }
    default:
        return x;
    }
}

/* Activations that take a call a run, not a few instructions a vector. */
FLX_INLINE uint32_t flx_act_is_heavy(uint32_t act)
{
    return act == FLX_ACT_SIGMOID || act == FLX_ACT_TANH ||
           act == FLX_ACT_SILU || act == FLX_ACT_GELU ||
           act == FLX_ACT_GELU_TANH;
}

FLX_SHARED void flx_run_sigmoid(float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        flx_store(x + i, flx_vsigmoid(flx_load(x + i)));
    }
}

FLX_SHARED void flx_run_tanh(float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        flx_store(x + i, flx_vtanh(flx_load(x + i)));
    }
}

FLX_SHARED void flx_run_silu(float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        flx_store(x + i, flx_act_v(FLX_ACT_SILU, 0, 0, flx_load(x + i)));
    }
}

FLX_SHARED void flx_run_gelu(float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        flx_store(x + i, flx_act_v(FLX_ACT_GELU, 0, 0, flx_load(x + i)));
    }
}

FLX_SHARED void flx_run_gelu_tanh(float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        flx_store(x + i, flx_act_v(FLX_ACT_GELU_TANH, 0, 0, flx_load(x + i)));
    }
}

/* Activation, in place, of n floats; x has room for a multiple of FLX_LANES.
 * slope (PRELU): 16 floats that repeat, n is a multiple of 16 then. */
FLX_INLINE void flx_run_act(uint32_t act, float a, float b, const float *slope,
                            float *x, uint32_t n)
{
    switch (act) {
    case FLX_ACT_NONE:
        return;
    case FLX_ACT_SIGMOID:
        flx_run_sigmoid(x, n);
        return;
    case FLX_ACT_TANH:
        flx_run_tanh(x, n);
        return;
    case FLX_ACT_SILU:
        flx_run_silu(x, n);
        return;
    case FLX_ACT_GELU:
        flx_run_gelu(x, n);
        return;
    case FLX_ACT_GELU_TANH:
        flx_run_gelu_tanh(x, n);
        return;
    case FLX_ACT_PRELU:
        for (uint32_t i = 0; i < n; i += FLX_LANES) {
            const flx_v s = flx_load(slope + i % FLX_PANEL);
            flx_store(x + i,
                      flx_expr_lanes(FLX_EXPR_PRELU, flx_load(x + i), s));
        }
        return;
    default:
        for (uint32_t i = 0; i < n; i += FLX_LANES) {
            flx_store(x + i, flx_act_v(act, a, b, flx_load(x + i)));
        }
        return;
    }
}

#endif
