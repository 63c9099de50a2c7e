/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_baud.h"

#include "dqt_app.h"
#include "dqt_board.h"
#include "dqt_messages.h"
#include "dqt_port.h"

static struct {
    uint32_t wanted;  /* of the last SET_BAUD that was answered */
    uint32_t strays;  /* zero bytes since the last frame that came whole, at another rate than the board's */
    uint32_t changed; /* the line does not have the board's rate */
} baud;

static dqt_outcome refused(uint32_t code, uint32_t detail) {
    return (dqt_outcome){.code = code, .detail = detail, .payload_size = 0};
}

dqt_outcome dqt_baud_ask(const uint8_t *payload, uint32_t size, uint8_t *out) {
    if (size != DQT_SET_BAUD_SIZE) {
        return refused(DQT_NAK_BAD_LENGTH, DQT_SET_BAUD_SIZE);
    }
    const uint32_t wanted = dqt_get32(payload + DQT_SET_BAUD_BAUD_OFFSET);
    const uint32_t least = DQT_UART_BAUD;
    uint32_t actual = 0;
    if (wanted >= least && wanted <= dqt_app.baud->max) {
        actual = dqt_port_baud(wanted);
    }
    const uint32_t off = actual > wanted ? actual - wanted : wanted - actual;
    if (actual == 0u || off > wanted >> DQT_BAUD_TOLERANCE_SHIFT) {
        return refused(DQT_NAK_BAD_BAUD, dqt_app.baud->max);
    }
    baud.wanted = wanted;
    for (uint32_t i = 0; i < DQT_SET_BAUD_REPLY_SIZE; i++) {
        out[DQT_SET_BAUD_REPLY_BAUD_OFFSET + i] = (uint8_t)(actual >> 8u * i);
    }
    return (dqt_outcome){.code = 0, .detail = 0, .payload_size = DQT_SET_BAUD_REPLY_SIZE};
}

static void change(uint32_t wanted) {
    baud.changed = wanted != DQT_UART_BAUD;
    baud.strays = 0;
    dqt_port_set_baud(wanted);
}

bool dqt_baud_tell(dqt_baud_event event) {
    if (event == DQT_BAUD_ANSWERED) {
        change(baud.wanted);
        return true;
    }
    if (event == DQT_BAUD_FRAME || baud.changed == 0u) {
        baud.strays = 0;
        return false;
    }
    baud.strays++;
    if (baud.strays < DQT_BAUD_STRAYS) {
        return false;
    }
    change(DQT_UART_BAUD);
    return true;
}
