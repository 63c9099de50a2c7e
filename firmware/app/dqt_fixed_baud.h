/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * For a port whose line has one rate: the two functions of dqt_port.h that change it. */
#ifndef DQT_FIXED_BAUD_H
#define DQT_FIXED_BAUD_H

#include "dqt_port.h"

uint32_t dqt_port_baud(uint32_t baud) {
    (void)baud;
    return 0;
}

void dqt_port_set_baud(uint32_t baud) {
    (void)baud;
}

#endif
