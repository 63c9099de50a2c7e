/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * A watchdog, which restarts a device whose program hangs. It is fed where the program goes on: for each byte and each
 * look for one, for each byte sent, and behind each layer. Without one, nothing is compiled. */
#ifndef DQT_WATCHDOG_H
#define DQT_WATCHDOG_H

#include "dqt_board.h"
#include "dqt_port.h"

static inline void dqt_watchdog_feed(void) {
#ifdef DQT_BOARD_WATCHDOG_MS
    dqt_port_feed();
#endif
}

#endif
