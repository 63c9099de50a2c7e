/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_say.h"

#include "dqt_server.h"

DQT_WORDS(error, "e-[");

const char dqt_closing[4] __attribute__((aligned(4))) = "]\r\n";

void dqt_say(const char *words) {
    while (*words != '\0') {
        dqt_server_write((uint8_t)*words);
        words++;
    }
}

void dqt_say_refusal(const char *reason) {
    dqt_say(error);
    dqt_say(reason);
    dqt_say(dqt_closing);
}

/* By hand, because not every core divides. */
uint64_t dqt_divide(uint64_t value, uint32_t by, uint32_t *left) {
    uint64_t quotient = 0;
    uint32_t rest = 0;
    for (uint32_t bit = 0; bit < 64u; bit++) {
        rest = rest << 1 | (uint32_t)(value >> 63);
        value <<= 1;
        quotient <<= 1;
        if (rest >= by) {
            rest -= by;
            quotient |= 1u;
        }
    }
    *left = rest;
    return quotient;
}

void dqt_say_number(uint64_t value) {
    uint8_t digits[20];
    uint32_t count = 0, digit;
    do {
        value = dqt_divide(value, 10u, &digit);
        digits[count++] = (uint8_t)('0' + digit);
    } while (value != 0u);
    while (count != 0u) {
        dqt_server_write(digits[--count]);
    }
}

void dqt_say_line(const char *words, uint64_t value) {
    dqt_say(words);
    dqt_say_number(value);
    dqt_say(dqt_closing + 1);
}

void dqt_say_fixed(int32_t number) {
    const uint32_t size = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    uint32_t whole = size >> 16;
    uint32_t thousandths = ((size & 0xFFFFu) * 1000u + 0x8000u) >> 16;
    if (thousandths == 1000u) {
        whole++;
        thousandths = 0;
    }
    if (number < 0 && (whole | thousandths) != 0u) {
        dqt_server_write('-');
    }
    dqt_say_number(whole);
    dqt_server_write('.');
    if (thousandths < 100u) {
        dqt_server_write('0');
    }
    if (thousandths < 10u) {
        dqt_server_write('0');
    }
    dqt_say_number(thousandths);
}
