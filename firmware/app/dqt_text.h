/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * MLPerf Tiny's text protocol, beside frames on one line: see dqt-edge's page 'mlperf'. Linked only if the exporter was
 * asked for it: the server knows it from dqt_app.text alone.
 *
 * A command is printable text that ends with '%'. A frame that comes whole begins with the byte 2, because its second
 * decoded byte is 0: it is never text. Once one has come, nothing is a command but name%, profile% and help%, each
 * alone between the ends of frames: these change nothing, and open the line to text again. */
#ifndef DQT_TEXT_H
#define DQT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "dqt.h"

#define DQT_TEXT_NAME_SIZE 16u

typedef struct dqt_app_text {
    bool (*take)(int byte);         /* dqt_text_take */
    uint8_t *input;                 /* what db loaded; as many bytes as the model's input */
    const uint8_t *choices;         /* candidates of the adaptive layers; NULL: the controller decides */
    const dqt_scale *scale;         /* of the output */
    uint32_t counter_hz;            /* ticks of dqt_port_counter() in a second, 1 .. 2^31 - 1 */
    uint8_t flip;                   /* what a byte of db differs from a code by: 0x80 for int8 */
    char model[DQT_TEXT_NAME_SIZE]; /* as profile% says it; zero at the end */
    uint8_t reserved[3];
} dqt_app_text;

#if UINTPTR_MAX == 0xFFFFFFFFu
_Static_assert(sizeof(dqt_app_text) == 40u, "the size that the exporter predicts with");
#endif

/* Takes a received byte, or -1 while none comes: the first call greets. Whether a command ended with the byte and was
 * answered; any other is for the decoder of frames. */
bool dqt_text_take(int byte);

/* The hook that its inferences run with; returns true. */
bool dqt_text_count(void *context, const dqt_event *event);

#endif
