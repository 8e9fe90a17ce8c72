/* run_image.h - a .png or .jpg picture as an input tensor. */
#ifndef FLEXC_RUN_RUN_IMAGE_H
#define FLEXC_RUN_RUN_IMAGE_H

#include "run/run_tensor.h"

enum run_layout { RUN_LAYOUT_AUTO, RUN_NCHW, RUN_NHWC };

/* The element of channel c is (p - mean[c]) / std[c] for a pixel p in 0..255;
 * one value serves all channels. Not given: mean 0, and std 255 for float
 * types, 1 for integers. */
struct run_image_opt {
    double mean[4];
    double std[4];
    uint32_t n_mean; /* 0: not given */
    uint32_t n_std;
    enum run_layout layout; /* AUTO: the axis of 1, 3 or 4, NCHW if both are */
    bool is_resized; /* a picture of another size is scaled, else refused */
};

/* Whether the path ends in .png, .jpg or .jpeg. */
bool run_image_is(const char *path);

/* Reads path into *t, whose dtype, rank and dim are given and say height, width
 * and channels (1 grey, 3 RGB, 4 RGBA); rank 2 is grey, rank 4 has one image.
 * Data in cx->keep.
 *
 * false   E_NO_FILE, E_IO, or E_INPUT naming the file */
NODISCARD bool run_image_read(const char *path, const struct run_image_opt *opt,
                              struct cx *cx, struct run_tensor *t);

#endif
