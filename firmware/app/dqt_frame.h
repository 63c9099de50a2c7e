/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Frames on a byte stream: COBS with a zero byte behind each frame, and the CRC-32 of zlib. See dqt-edge's page
 * 'protocol'. Nothing here knows the port or the messages; all state is in the caller's structs. */
#ifndef DQT_FRAME_H
#define DQT_FRAME_H

#include <stdint.h>

/* Decodes one frame at a time into the caller's buffer. */
typedef struct {
    uint8_t *buffer;
    uint32_t capacity;    /* bytes in buffer, >= 1 */
    uint32_t size;        /* bytes decoded so far */
    uint8_t left;         /* bytes of the block still to come, 0..254 */
    uint8_t zero_pending; /* the block stands for a zero at its end, unless the frame ends there */
    uint8_t started;      /* a byte has come since the last delimiter */
    uint8_t too_long;     /* the frame does not fit; the rest is skipped */
} dqt_decoder;

typedef enum {
    DQT_DECODE_MORE = 0,  /* the frame goes on (or: empty frame, ignored) */
    DQT_DECODE_FRAME = 1, /* buffer[0 .. size - 1] is a frame; valid until the next byte is fed */
    DQT_DECODE_BAD = 2    /* a frame ended that is too long or no COBS */
} dqt_decode_result;

/*@ requires \valid(decoder) && capacity >= 1 && \valid(buffer + (0 .. capacity - 1));
    ensures decoder->size <= decoder->capacity; */
void dqt_decoder_init(dqt_decoder *decoder, uint8_t *buffer, uint32_t capacity);

/* Feeds one byte, 0..255. Every zero byte ends a frame, so one bad frame never costs the next. */
/*@ requires \valid(decoder) && \valid(decoder->buffer + (0 .. decoder->capacity - 1));
    requires decoder->size <= decoder->capacity;
    ensures decoder->size <= decoder->capacity; */
dqt_decode_result dqt_decoder_feed(dqt_decoder *decoder, uint8_t byte);

/* Encodes a frame byte by byte, without a second buffer. */
typedef struct {
    const uint8_t *data;
    uint32_t size;
    uint32_t position;
    uint8_t left;  /* bytes of the current block still to be sent, 0..254 */
    uint8_t skip;  /* the zero behind the block is implied */
    uint8_t state; /* see dqt_frame.c */
} dqt_encoder;

/* data must stay unchanged until the last byte has been taken. */
void dqt_encoder_init(dqt_encoder *encoder, const uint8_t *data, uint32_t size);

/* Next byte on the wire, 0..255; the delimiter comes last, then -1. */
int dqt_encoder_next(dqt_encoder *encoder);

#endif
