/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_deciding.h"

#include "dqt_app.h"
#include "dqt_messages.h"
#include "dqt_tables.h"

#define TAIL (DQT_RUN_SIZE + DQT_SETTING_SIZE) /* where the arrays of a setting begin */

static dqt_setting asked; /* of the RUN that was checked last */

static dqt_outcome refused(uint32_t code, uint32_t detail) {
    return (dqt_outcome){.code = code, .detail = detail, .payload_size = 0};
}

static dqt_outcome tuned(const dqt_points *points, const uint8_t *payload, uint32_t size) {
    const uint32_t thousandths = dqt_get16(payload + DQT_RUN_COUNT_OFFSET);
    if (size != DQT_RUN_SIZE) {
        return refused(DQT_NAK_BAD_LENGTH, DQT_RUN_SIZE);
    }
    const dqt_status status = payload[DQT_RUN_POLICY_OFFSET] == DQT_POLICY_COST
                                  ? dqt_tuned_cost(points, thousandths, &asked)
                                  : dqt_tuned_agreement(points, thousandths, &asked);
    return status == DQT_OK ? refused(0, 0) : refused(DQT_NAK_NO_TUNED, thousandths);
}

/* Whether parts and numbers of a setting suit the model; lengths and widths are checked elsewhere. */
static bool is_sound(const dqt_points *points, uint32_t again, uint32_t parts, uint32_t reserved) {
    const uint32_t known = DQT_SETTING_WIDTHS | DQT_SETTING_BIAS | DQT_SETTING_STOPS;
    const uint32_t both = DQT_SETTING_WIDTHS | DQT_SETTING_BIAS;
    return (parts & ~known) == 0u && reserved == 0u && (parts & both) != both &&
           ((parts & DQT_SETTING_BIAS) == 0u || dqt_has_controller(points->model)) && again <= DQT_SETTING_AGAIN_MAX &&
           (again == 0u || points->second != DQT_NONE);
}

/* Copies the words of a setting, because the frame need not be aligned; returns what lies behind them. */
static uint32_t *words(uint32_t *to, const uint8_t **from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = dqt_get32(*from);
        *from += 4;
    }
    return to + count;
}

dqt_outcome dqt_take_setting(const dqt_points *points, const uint8_t *payload, uint32_t size) {
    const dqt_model *model = points->model;
    if (payload[DQT_RUN_POLICY_OFFSET] != DQT_POLICY_SETTING) {
        return tuned(points, payload, size);
    }
    if (size < TAIL) {
        return refused(DQT_NAK_BAD_LENGTH, TAIL);
    }
    const uint8_t *at = payload + DQT_RUN_SIZE;
    const uint32_t again = dqt_get16(at + DQT_SETTING_AGAIN_OFFSET);
    const uint32_t parts = at[DQT_SETTING_PARTS_OFFSET];
    if (dqt_get16(payload + DQT_RUN_COUNT_OFFSET) != points->count ||
        !is_sound(points, again, parts, at[DQT_SETTING_RESERVED_OFFSET])) {
        return refused(DQT_NAK_BAD_SETTING, dqt_get32(at));
    }
    const bool given = (parts & DQT_SETTING_WIDTHS) != 0u;
    if (!given && model->adaptive_count > 0u && !dqt_has_controller(model)) {
        return refused(DQT_NAK_NO_CONTROLLER, 0);
    }
    const uint32_t classes = model->outputs[0].size;
    const uint32_t stops = (parts & DQT_SETTING_STOPS) != 0u ? (classes + 31u) / 32u : 0u;
    const uint32_t biases = (parts & DQT_SETTING_BIAS) != 0u ? model->candidate_max : 0u;
    const uint32_t wanted = TAIL + 4u * (2u * points->count + stops + biases) + (given ? model->adaptive_count : 0u);
    if (size != wanted) {
        return refused(DQT_NAK_BAD_LENGTH, wanted);
    }
    at += DQT_SETTING_SIZE;
    uint32_t *const exits = dqt_app.deciding->words;
    uint32_t *const widen = words(exits, &at, points->count);
    uint32_t *const classes_that_stop = words(widen, &at, points->count);
    uint32_t *const bias = words(classes_that_stop, &at, stops);
    (void)words(bias, &at, biases);
    if (stops != 0u && classes % 32u != 0u && classes_that_stop[stops - 1u] >> (classes % 32u) != 0u) {
        return refused(DQT_NAK_BAD_SETTING, dqt_get32(payload + DQT_RUN_SIZE));
    }
    for (uint32_t i = 0; given && i < model->adaptive_count; i++) {
        if (at[i] >= dqt_candidate_count(model, i)) {
            return refused(DQT_NAK_BAD_CHOICE, i);
        }
    }
    asked.widths = given ? at : NULL;
    asked.bias = biases != 0u ? (const int32_t *)bias : NULL;
    asked.exits = exits;
    asked.widen = widen;
    asked.stops = stops != 0u ? classes_that_stop : NULL;
    asked.again = again;
    return refused(0, 0);
}

dqt_status dqt_run_setting(const dqt_points *points, dqt_measurement *measurement, dqt_decided *decided) {
    static dqt_options options; /* not on the stack, whose deepest point is in a kernel below this */
    options.hook = dqt_measure_again;
    options.context = measurement;
    return dqt_decide(points, dqt_app.arena, &asked, &options, decided);
}
