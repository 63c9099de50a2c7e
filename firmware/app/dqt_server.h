/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The serial server: answers every request with the same sequence number or a typed NAK. See dqt-edge's page
 * 'protocol'. */
#ifndef DQT_SERVER_H
#define DQT_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* How a request ended: with a NAK (code, detail), or with a reply of payload_size bytes. */
typedef struct dqt_outcome {
    uint32_t code; /* 0: answered */
    uint32_t detail;
    uint32_t payload_size;
} dqt_outcome;

/* Numbers of a message: little-endian, at any address. */
static inline uint32_t dqt_get16(const uint8_t *at) {
    return at[0] | ((uint32_t)at[1] << 8);
}

static inline uint32_t dqt_get32(const uint8_t *at) {
    return dqt_get16(at) | (dqt_get16(at + 2) << 16);
}

/* For text beside frames, see dqt_text.h: linked only with it. Sends a byte, and receives while it cannot be sent yet.
 */
void dqt_server_write(uint8_t byte);

/* Forgets what came of a frame; and a loaded input and the states, because the model was run. */
void dqt_server_forget(void);

/* Whether a frame came whole since the last call. */
bool dqt_server_heard_frame(void);

/* Whether the flash was not what was built when it was last looked at. */
bool dqt_server_is_damaged(void);

/* Serves for ever. dqt_port_init() must have been called. */
void dqt_server_run(void) __attribute__((noreturn));

#endif
