/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the serial server serves, and the memory that it pays for: defined in the generated app/dqt_app.c. */
#ifndef DQT_APP_H
#define DQT_APP_H

#include "dqt.h"

/* Sizes are what the largest of the models needs. */
struct dqt_app_baud;
struct dqt_app_deciding;
struct dqt_app_text;

typedef struct {
    const dqt_model *const *models;
    uint32_t model_count;                    /* at least 1; the first is served until the host selects another */
    uint8_t *arena;                          /* one for all models, which run one after another; aligned to 8 */
    uint64_t *counts;                        /* counter ticks of each layer of the last run; 0: did not run */
    uint32_t *checksums;                     /* CRC-32 of each layer's output, when asked for; else 0 */
    int32_t *bias;                           /* biases of a RUN, one for each candidate */
    uint8_t *receive;                        /* one request frame */
    uint8_t *reply;                          /* one reply frame, kept for repeats */
    uint8_t *ring;                           /* received bytes that are not decoded yet */
    uint32_t receive_max;                    /* longest payload of a request; receive has room for its frame */
    uint32_t ring_size;                      /* a power of two */
    uint32_t load_window;                    /* LOADs that may be unanswered */
    const struct dqt_app_baud *baud;         /* NULL: the serial line has the board's rate only */
    const struct dqt_app_deciding *deciding; /* NULL: no model has decision points or the like */
    const struct dqt_app_text *text;         /* NULL: frames only */
} dqt_app_data;

#if UINTPTR_MAX == 0xFFFFFFFFu
_Static_assert(sizeof(dqt_app_data) == 60u, "the size that the exporter predicts with");
#endif

extern const dqt_app_data dqt_app;

#endif
