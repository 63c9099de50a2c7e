/* Input rows of a convolution as operands for the micro-kernels of cores without the DSP extension. */
#ifndef DQT_BASE_ROWS_H
#define DQT_BASE_ROWS_H

#include "dqt_base.h"

/* Where everything is for one run of a layer. Sizes: dqt_edge/lowering/base.py. */
typedef struct {
    const dqt_mac *mac;
    const uint8_t *input;
    const int32_t *bias;
    dqt_base_pair pair;
    dqt_base_multiply *multiply;
    uint32_t plain;      /* 1: no residual, shift 32, limits 0 and 255 */
    uint32_t flat;       /* 1: rows are segments of an image without rows */
    uint32_t width;      /* pixels of an output row */
    uint32_t row_count;  /* output rows */
    uint32_t pairs;      /* of pixels in an output row */
    uint32_t pitch;      /* operand columns between two pairs of pixels */
    uint32_t columns;    /* operand columns of a row */
    uint32_t depth;      /* K of a row of the window, rounded up to 2 */
    uint32_t tile_words; /* of the operands of a tile */
    uint32_t next;       /* padded row that is to be expanded next */
    uint32_t top;        /* first padded row of the window, and its place in the ring */
    uint32_t top_place;
    dqt_base_run *runs;
    uint32_t *weights;
    uint32_t *rows;        /* a ring of kernel height rows of operands */
    uint32_t *sums;        /* by ring place and pixel: sum of the views under the window in that row */
    uint32_t *window_sums; /* the same under the whole window */
    uint32_t *column_sums;
    uint32_t *padding; /* operands of a row in the padding, where that is not zero */
    uint8_t *table;    /* views of the codes, where they are narrower */
} dqt_base_rows;

dqt_base_rows dqt_base_rows_prepare(const dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate);

/* Before the rows of a block of tiles. */
void dqt_base_rows_rewind(dqt_base_rows *r);

/* Expand what row or segment `y` needs and is not there; rows come one after the other. Returns its pixels. */
uint32_t dqt_base_rows_expand(dqt_base_rows *r, uint32_t y);

/* Operands of the first pair of pixels under row `ky` of the window; NULL: zero, for the padding. */
const uint32_t *dqt_base_rows_place(const dqt_base_rows *r, uint32_t y, uint32_t ky);

#endif
