/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What is handed to frama-c's value analysis: each function with every argument that its contract allows. An alarm
 * would be an overflow, a shift out of range, or an access outside an object. */
#include <string.h>

#include "__fc_builtin.h"
#include "dqt_arith.h"
#include "dqt_copy.h"
#include "dqt_crc32.h"
#include "dqt_frame.h"
#include "dqt_tables.h"
#include "dqt_tile.h"

enum { DEPTH = 32, TILES = 3, POINTS = 8, CANDIDATES = 17, FRAME = 32, ADAPTIVE = 2, CHOICES = 3, COPIED = 20 };

static volatile uint32_t sink;

static int32_t any32(void) {
    return Frama_C_interval(INT32_MIN, INT32_MAX);
}

static uint32_t from_to(int32_t least, int32_t most) {
    return (uint32_t)Frama_C_interval(least, most);
}

static void fill_any(void *data, uint32_t size) {
    uint8_t *bytes = data;
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)from_to(0, 255);
    }
}

static void prove_requantise(void) {
    const int32_t twice = any32();
    const int32_t multiplier = Frama_C_interval(1, INT32_MAX);
    const uint32_t shift = from_to(1, 62);
    const uint32_t low = from_to(0, 255);
    const uint32_t high = from_to(0, 255);
    sink = dqt_requantize_one(twice, multiplier, shift, low, high);
    sink = dqt_product_code(twice, multiplier, shift, low, high);
    sink = (uint32_t)dqt_product_scale(twice, multiplier);
}

static void prove_quantise(void) {
    const dqt_scale scale = {Frama_C_interval(1 << 30, INT32_MAX),
                             Frama_C_interval(1 << 30, INT32_MAX),
                             (uint8_t)from_to(1, 62),
                             (uint8_t)from_to(1, 62),
                             (uint8_t)from_to(0, 255),
                             0};
    sink = dqt_quantize(&scale, any32());
    sink = (uint32_t)dqt_dequantize(&scale, (uint8_t)from_to(0, 255));
}

static void prove_views(void) {
    sink = dqt_activation_view(from_to(0, 255), from_to(0, 6));
    sink = (uint32_t)dqt_byte_view(from_to(0, INT32_MAX) * 2u + from_to(0, 1), from_to(0, 3), from_to(0, 6));
}

static void prove_decoding(void) {
    static uint32_t plane_a[TILES * DEPTH / 4];
    static uint32_t plane_b[TILES * DEPTH / 4];
    static uint32_t plane_l[2 * TILES * DEPTH / 4];
    static int8_t view[4 * DEPTH];
    static dqt_mac mac;
    fill_any(plane_a, sizeof plane_a);
    fill_any(plane_b, sizeof plane_b);
    fill_any(plane_l, sizeof plane_l);
    mac.plane_a = plane_a;
    mac.plane_b = plane_b;
    mac.plane_l = plane_l;
    for (uint32_t depth = 4; depth <= DEPTH; depth += 4) {
        dqt_decode_tile(&mac, from_to(0, TILES - 1), depth, from_to(2, 8), view);
    }
}

/* Concrete sizes and places: which bytes are touched follows from both together. */
static void prove_copies(void) {
    static uint32_t words[16];
    uint8_t *const bytes = (uint8_t *)words;
    fill_any(bytes, sizeof words);
    for (uint32_t size = 0; size <= COPIED; size++) {
        for (uint32_t place = 0; place < 16; place++) {
            dqt_copy(bytes + place % 4, bytes + 8 + place / 4, size);
            (void)dqt_fill(bytes + place, (uint8_t)from_to(0, 255), size);
        }
    }
}

static void prove_checksum(void) {
    static uint8_t bytes[FRAME];
    fill_any(bytes, sizeof bytes);
    for (uint32_t size = 0; size <= FRAME; size++) {
        sink = dqt_crc32(from_to(0, INT32_MAX), bytes, size);
    }
}

static void prove_dial(void) {
    static uint16_t targets[POINTS];
    static int32_t biases[POINTS * CANDIDATES];
    static int32_t bias[CANDIDATES];
    static dqt_model model;
    for (uint32_t i = 0; i < POINTS; i++) {
        targets[i] = (uint16_t)from_to(0, 1000);
    }
    for (uint32_t i = 0; i < POINTS * CANDIDATES; i++) {
        biases[i] = any32();
    }
    model.dial_targets = targets;
    model.dial_biases = biases;
    for (uint32_t points = 0; points <= POINTS; points++) {
        for (uint32_t candidates = 1; candidates <= CANDIDATES; candidates++) {
            model.dial_count = (uint16_t)points;
            model.candidate_max = (uint8_t)candidates;
            sink = dqt_dial(&model, from_to(0, INT32_MAX), bias);
        }
    }
}

static void prove_choosing(void) {
    static uint32_t arena[(ADAPTIVE * CHOICES * 4 + ADAPTIVE + 3) / 4];
    static int32_t bias[CHOICES];
    static dqt_model model;
    fill_any(arena, sizeof arena);
    fill_any(bias, sizeof bias);
    model.choices = ADAPTIVE * CHOICES * 4;
    model.adaptive_count = ADAPTIVE;
    for (uint32_t candidates = 1; candidates <= CHOICES; candidates++) {
        model.candidate_max = (uint8_t)candidates;
        dqt_choose(&model, (uint8_t *)arena, NULL);
        dqt_choose(&model, (uint8_t *)arena, bias);
    }
    for (uint32_t size = 1; size <= sizeof arena; size++) {
        sink = dqt_index_of_largest((uint8_t *)arena, size);
    }
}

/* Any bytes, for ever. */
static void prove_decoder(void) {
    static uint8_t frame[FRAME];
    dqt_decoder decoder;
    dqt_decoder_init(&decoder, frame, FRAME);
    while (from_to(0, 1) != 0) {
        if (dqt_decoder_feed(&decoder, (uint8_t)from_to(0, 255)) == DQT_DECODE_FRAME && decoder.size > 0) {
            sink = frame[decoder.size - 1];
        }
    }
}

int main(void) {
    prove_requantise();
    prove_quantise();
    prove_views();
    prove_decoding();
    prove_copies();
    prove_checksum();
    prove_dial();
    prove_choosing();
    prove_decoder();
    return 0;
}
