/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * RUNs that carry a setting. Linked only if the image has a model that decides by one: the server knows these functions
 * from dqt_app.deciding alone. */
#ifndef DQT_DECIDING_H
#define DQT_DECIDING_H

#include "dqt.h"
#include "dqt_measure.h"
#include "dqt_server.h"

/* Checks a RUN completely, and keeps its setting until dqt_run_setting(). payload, size: of the RUN, at least
 * DQT_RUN_SIZE bytes, with one of the policies that this file serves. The payload must stay until then. */
dqt_outcome dqt_take_setting(const dqt_points *points, const uint8_t *payload, uint32_t size);

/* Runs the setting that was taken. measurement: started; a layer that runs twice has the sum of both counts. */
dqt_status dqt_run_setting(const dqt_points *points, dqt_measurement *measurement, dqt_decided *decided);

typedef struct dqt_app_deciding {
    const dqt_points *const *points; /* of each of dqt_app.models; NULL: it decides by none */
    uint32_t *words;                 /* exits, widen, stops and bias of a setting */
    dqt_outcome (*take)(const dqt_points *points, const uint8_t *payload, uint32_t size); /* dqt_take_setting */
    dqt_status (*run)(const dqt_points *points, dqt_measurement *measurement, dqt_decided *decided);
} dqt_app_deciding;

#if UINTPTR_MAX == 0xFFFFFFFFu
_Static_assert(sizeof(dqt_app_deciding) == 16u, "the size that the exporter predicts with");
#endif

#endif
