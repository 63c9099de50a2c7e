/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Counts and checksums of an inference, layer by layer: a hook of dqt_run(). */
#ifndef DQT_MEASURE_H
#define DQT_MEASURE_H

#include "dqt.h"

/* A measured inference. counts and checksums have an entry for each layer of the model, 0 for one that did not run. */
typedef struct {
    uint64_t *counts;    /* ticks of dqt_port_counter() */
    uint32_t *checksums; /* CRC-32 of the outputs */
    bool with_checksums; /* else they stay 0 */
    uint64_t total;      /* ticks of all layers */
    uint64_t last;       /* the counter when the running layer began */
    uint32_t place;      /* the layer that ended last; for dqt_port_watch() */
} dqt_measurement;

/* Before an inference: counts and checksums of that many layers 0, place DQT_FAULT_FIRST, and the counter read. counts,
 * checksums and with_checksums are set by the caller. */
void dqt_measurement_start(dqt_measurement *measurement, uint32_t layers);

/* The hook to run it with; context: the dqt_measurement. Returns true. */
bool dqt_measure_layer(void *context, const dqt_event *event);

/* The same for an inference in which a layer may run twice: its counts are added, its last checksum stays. */
bool dqt_measure_again(void *context, const dqt_event *event);

#endif
