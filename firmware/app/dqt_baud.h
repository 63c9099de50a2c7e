/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The rate of the serial line, which a host may raise by SET_BAUD, and the way back to the board's own. */
#ifndef DQT_BAUD_H
#define DQT_BAUD_H

#include <stdbool.h>
#include <stdint.h>

#include "dqt_server.h"

/* Checks a SET_BAUD, and writes the payload of its reply. The rate stays what it is until dqt_baud_change(). */
dqt_outcome dqt_baud_asked(const uint8_t *payload, uint32_t size, uint8_t *out);

/* Changes to the rate of the last SET_BAUD that was answered; call it behind the reply. */
void dqt_baud_change(void);

/* A frame came whole: both ends have the same rate. */
void dqt_baud_heard(void);

/* Call it for every zero byte. True if the line has gone back to the board's rate, because at another one many came
 * and no frame. What was received is garbage then. */
bool dqt_baud_is_lost(void);

#endif
