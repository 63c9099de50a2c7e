/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_measure.h"

#include "dqt_crc32.h"
#include "dqt_messages.h"
#include "dqt_port.h"
#include "dqt_watchdog.h"

bool dqt_measure_layer(void *context, const dqt_event *event) {
    dqt_measurement *measurement = context;
    const uint64_t now = dqt_port_counter();
    /* Differences of neighbours survive a counter that wraps; their sum is the whole inference. */
    const uint64_t ticks = (now - measurement->last) & dqt_port_counter_mask;
    measurement->counts[event->layer] = ticks;
    measurement->total += ticks;
    measurement->last = now;
    measurement->place = event->layer;
    if (measurement->with_checksums) {
        measurement->checksums[event->layer] = dqt_crc32(0u, event->output, event->output_size);
        measurement->last = dqt_port_counter(); /* checksums are no part of the inference */
    }
    dqt_watchdog_feed();
    return true;
}

bool dqt_measure_again(void *context, const dqt_event *event) {
    dqt_measurement *measurement = context;
    const uint64_t before = measurement->counts[event->layer];
    const bool goes_on = dqt_measure_layer(context, event);
    measurement->counts[event->layer] += before;
    return goes_on;
}

void dqt_measurement_start(dqt_measurement *measurement, uint32_t layers) {
    for (uint32_t i = 0; i < layers; ++i) {
        measurement->counts[i] = 0;
        measurement->checksums[i] = 0;
    }
    measurement->total = 0;
    measurement->place = DQT_FAULT_FIRST;
    dqt_watchdog_feed();
    measurement->last = dqt_port_counter();
}
