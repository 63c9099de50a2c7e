/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The models of the native suite. */
#ifndef SUITE_H
#define SUITE_H

#include "dqt.h"

#define SUITE_MODELS_MAX 256

typedef struct {
    const dqt_model *model;
    const dqt_points *points; /* NULL: none */
    const dqt_scale *scale;   /* of the first input; NULL: none */
    const uint8_t *wide;      /* [layers] whether a layer's output is int32 */
    uint32_t layers;          /* those of points included */
    uint32_t count;           /* decision points */
} suite_model;

extern const suite_model suite_models[];
extern const uint32_t suite_count;

#endif
