/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Input rows of a convolution as operands for the micro-kernels of cores without the DSP extension. */
#ifndef DQT_SCALAR_ROWS_H
#define DQT_SCALAR_ROWS_H

#include "dqt_scalar.h"

static inline void *dqt_scalar_take(uint8_t **scratch, uint32_t size) {
    void *taken = *scratch;
    *scratch += size;
    return taken;
}

/* Where everything is for one run of a layer. The exporter counts its sizes. */
typedef struct {
    const dqt_window *window;
    const uint8_t *input;
    uint32_t flat;      /* 1: rows are segments of an image without rows */
    uint32_t width;     /* pixels of an output row */
    uint32_t row_count; /* output rows */
    uint32_t pairs;     /* of pixels in an output row */
    uint32_t pitch;     /* operand columns between two pairs of pixels */
    uint32_t columns;   /* operand columns of a row */
    uint32_t depth;     /* K of a row of the window, rounded up to 2 */
    uint32_t next;      /* padded row that is to be expanded next */
    uint32_t top;       /* first padded row of the window, and its place in the ring */
    uint32_t top_place;
    uint32_t *rows;        /* a ring of kernel height rows of operands */
    uint32_t *sums;        /* by ring place and pixel: sum of the views under the window in that row */
    uint32_t *window_sums; /* the same under the whole window */
    uint32_t *column_sums;
    uint32_t *padding; /* operands of a row in the padding, where that is not zero */
    uint8_t *table;    /* views of the codes, where they are narrower */
} dqt_scalar_rows;

/* scratch: what is left of it. */
dqt_scalar_rows dqt_scalar_rows_prepare(const dqt_mac *mac, const dqt_scalar_pair *pair, uint8_t *arena,
                                        uint8_t *scratch);

/* Before the rows of a block of tiles. */
void dqt_scalar_rows_rewind(dqt_scalar_rows *r);

/* Expand what row or segment `y` needs and is not there; rows come one after the other. Returns its pixels. */
uint32_t dqt_scalar_rows_expand(dqt_scalar_rows *r, uint32_t y);

/* Operands of the first pair of pixels under row `ky` of the window; NULL: zero, for the padding. */
const uint32_t *dqt_scalar_rows_place(const dqt_scalar_rows *r, uint32_t ky);

#endif
