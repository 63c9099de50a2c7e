/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * A pin that is high while the model runs, for a power analyser. Without one, nothing is compiled. */
#ifndef DQT_TRIGGER_H
#define DQT_TRIGGER_H

#include "dqt_board.h"
#include "dqt_port.h"

static inline void dqt_trigger(uint32_t high) {
#ifdef DQT_BOARD_TRIGGER_PIN
    dqt_port_trigger(high);
#else
    (void)high;
#endif
}

#endif
