/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_frame.h"

#define BLOCK_MAX 254u /* data bytes in the longest COBS block, whose code is 255 */

static void restart(dqt_decoder *decoder) {
    decoder->size = 0;
    decoder->left = 0;
    decoder->zero_pending = 0;
    decoder->started = 0;
    decoder->too_long = 0;
}

void dqt_decoder_init(dqt_decoder *decoder, uint8_t *buffer, uint32_t capacity) {
    decoder->buffer = buffer;
    decoder->capacity = capacity;
    restart(decoder);
}

static void append(dqt_decoder *decoder, uint8_t byte) {
    if (decoder->size < decoder->capacity) {
        decoder->buffer[decoder->size] = byte;
        decoder->size++;
    } else {
        decoder->too_long = 1;
    }
}

dqt_decode_result dqt_decoder_feed(dqt_decoder *decoder, uint8_t byte) {
    if (byte == 0) {
        dqt_decode_result result = DQT_DECODE_FRAME;
        if (!decoder->started) {
            result = DQT_DECODE_MORE;
        } else if (decoder->too_long || decoder->left != 0) {
            result = DQT_DECODE_BAD;
        }
        uint32_t size = decoder->size;
        restart(decoder);
        if (result == DQT_DECODE_FRAME) {
            decoder->size = size; /* for the caller; the next frame's first byte starts over */
        }
        return result;
    }
    if (!decoder->started) {
        decoder->started = 1;
        decoder->size = 0;
    }
    if (decoder->left != 0) {
        append(decoder, byte);
        decoder->left--;
        return DQT_DECODE_MORE;
    }
    if (decoder->zero_pending) {
        append(decoder, 0);
    }
    decoder->left = (uint8_t)(byte - 1u);
    decoder->zero_pending = byte != BLOCK_MAX + 1u;
    return DQT_DECODE_MORE;
}

enum { ENCODE_BLOCK, ENCODE_LAST_BLOCK, ENCODE_DONE };

void dqt_encoder_init(dqt_encoder *encoder, const uint8_t *data, uint32_t size) {
    encoder->data = data;
    encoder->size = size;
    encoder->position = 0;
    encoder->left = 0;
    encoder->skip = 0;
    encoder->state = ENCODE_BLOCK;
}

int dqt_encoder_next(dqt_encoder *encoder) {
    if (encoder->left != 0) {
        encoder->left--;
        uint8_t byte = encoder->data[encoder->position];
        encoder->position++;
        return byte;
    }
    if (encoder->state == ENCODE_DONE) {
        return -1;
    }
    if (encoder->state == ENCODE_LAST_BLOCK) {
        encoder->state = ENCODE_DONE;
        return 0;
    }
    encoder->position += encoder->skip;
    const uint8_t *block = encoder->data + encoder->position;
    uint32_t rest = encoder->size - encoder->position;
    uint32_t run = 0;
    while (run < BLOCK_MAX && run < rest && block[run] != 0) {
        run++;
    }
    if (run == rest) {
        encoder->state = ENCODE_LAST_BLOCK;
    }
    encoder->skip = run < BLOCK_MAX;
    encoder->left = (uint8_t)run;
    return (int)(run + 1u);
}
