/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Arrays of corners through both forms of the requantiser, for requantise.py. */
#include "dqt_arith.h"

void corners(const int32_t *twice, const int32_t *multiplier, const uint8_t *shift, const uint8_t *low,
             const uint8_t *high, uint32_t count, uint8_t *wide, uint8_t *halves, int32_t *scaled);

void corners(const int32_t *twice, const int32_t *multiplier, const uint8_t *shift, const uint8_t *low,
             const uint8_t *high, uint32_t count, uint8_t *wide, uint8_t *halves, int32_t *scaled) {
    for (uint32_t i = 0; i < count; i++) {
        wide[i] = dqt_requantize_one(twice[i], multiplier[i], shift[i], low[i], high[i]);
        halves[i] = (uint8_t)dqt_product_code(twice[i], multiplier[i], shift[i], low[i], high[i]);
        scaled[i] = dqt_product_scale(twice[i], multiplier[i]);
    }
}
