/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The rate of the serial line, which a host may raise by SET_BAUD, and the way back to the board's own. Linked only
 * where the line has more than one rate: the server knows it from dqt_app.baud alone. */
#ifndef DQT_BAUD_H
#define DQT_BAUD_H

#include <stdbool.h>
#include <stdint.h>

#include "dqt_server.h"

typedef enum {
    DQT_BAUD_ANSWERED, /* the reply to a SET_BAUD has been sent */
    DQT_BAUD_FRAME,    /* a frame came whole: both ends have the same rate */
    DQT_BAUD_ZERO,     /* a zero byte came */
} dqt_baud_event;

typedef struct dqt_app_baud {
    dqt_outcome (*ask)(const uint8_t *payload, uint32_t size, uint8_t *out); /* dqt_baud_ask */
    bool (*tell)(dqt_baud_event event);                                      /* dqt_baud_tell */
    uint32_t max;                                                            /* highest rate, bits a second */
} dqt_app_baud;

#if UINTPTR_MAX == 0xFFFFFFFFu
_Static_assert(sizeof(dqt_app_baud) == 12u, "the size that the exporter predicts with");
#endif

/* Checks a SET_BAUD, and writes the payload of its reply. The rate stays what it is until the reply has been sent. */
dqt_outcome dqt_baud_ask(const uint8_t *payload, uint32_t size, uint8_t *out);

/* What happened on the line. True if its rate has changed, and what was received before is garbage: behind the reply to
 * a SET_BAUD; and when at another rate than the board's many zero bytes came and no frame, which changes it back. */
bool dqt_baud_tell(dqt_baud_event event);

#endif
