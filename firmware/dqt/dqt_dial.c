/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_tables.h"

/* dividend / divisor for a divisor of 1..2^31, and the rest. By shifts: cores without UDIV would need a library. */
static uint32_t divide(uint32_t dividend, uint32_t divisor, uint32_t *rest) {
    uint32_t quotient = 0;
    *rest = 0;
    for (uint32_t i = 0; i < 32u; ++i) {
        *rest = (*rest << 1) | (dividend >> 31);
        dividend <<= 1;
        quotient <<= 1;
        if (*rest >= divisor) {
            *rest -= divisor;
            quotient |= 1u;
        }
    }
    return quotient;
}

/* left + (right - left) * way / span, rounded half up; way <= span, span 1..1000.
 *
 * Counted from the smaller end, all of it is unsigned. With rise = q * span + r, rise * steps / span is
 * q * steps + r * steps / span, of which nothing exceeds 32 bits: q * steps <= rise, and r * steps < 1000 * 1000. */
static int32_t between(int32_t left, int32_t right, uint32_t way, uint32_t span) {
    const uint32_t rising = right >= left;
    const uint32_t low = (uint32_t)(rising ? left : right);
    const uint32_t rise = (uint32_t)(rising ? right : left) - low;
    const uint32_t steps = rising ? way : span - way;
    uint32_t rest;
    const uint32_t whole = divide(rise, span, &rest) * steps;
    const uint32_t part = divide(2u * rest * steps + span, 2u * span, &rest);
    return (int32_t)(low + whole + part);
}

/*@ requires \valid_read(model) && \valid(bias + (0 .. model->candidate_max - 1));
    requires \valid_read(model->dial_targets + (0 .. model->dial_count - 1));
    requires \valid_read(model->dial_biases + (0 .. model->dial_count * model->candidate_max - 1)); */
dqt_status dqt_dial(const dqt_model *model, uint32_t thousandths, int32_t *bias) {
    if (model == NULL || bias == NULL) {
        return DQT_BAD_ARGUMENT;
    }
    const uint16_t *targets = model->dial_targets;
    uint32_t above = 0;
    while (above < model->dial_count && targets[above] < thousandths) {
        ++above;
    }
    if (above == model->dial_count || (above == 0u && targets[0] != thousandths)) {
        return DQT_NO_DIAL;
    }
    const uint32_t below = above == 0u ? 0u : above - 1u;
    const uint32_t span = above == 0u ? 1u : (uint32_t)targets[above] - targets[below];
    const int32_t *left = model->dial_biases + below * model->candidate_max;
    const int32_t *right = model->dial_biases + above * model->candidate_max;
    for (uint32_t k = 0; k < model->candidate_max; ++k) {
        bias[k] = between(left[k], right[k], thousandths - targets[below], span);
    }
    return DQT_OK;
}
