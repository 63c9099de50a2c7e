/* A serial line with a rate on the native port's pipes, by the linker's --wrap. A byte is four bytes of a pipe: itself,
 * and above it the rate of the end that sent it. At another rate it is what a UART makes of its edges. */
#include "dqt_board.h"
#include "dqt_port.h"

#define CLOCK_HZ 48000000u /* of the UART, which divides it */

#define BYTE_NS 10000000000u /* over a rate: what a byte takes */

int __real_dqt_port_read(void);
void __real_dqt_port_wait(void);
void __wrap_dqt_port_wait(void);
int __real_dqt_port_can_write(void);
void __real_dqt_port_write(uint8_t byte);
int __wrap_dqt_port_read(void);
int __wrap_dqt_port_can_write(void);
void __wrap_dqt_port_write(uint8_t byte);
uint32_t __wrap_dqt_port_baud(uint32_t baud);
void __wrap_dqt_port_set_baud(uint32_t baud);

static uint32_t rate = DQT_UART_BAUD;
static uint32_t word, word_bytes; /* of the pipe, as far as it has come */
static uint8_t heard[16];         /* what the UART made of the last byte */
static uint32_t heard_size, heard_at;
static uint64_t spent_ns; /* on sending since the last byte came */
static uint32_t waited;   /* for the next byte */

/* Of the line, while a byte is sent: a start bit, eight bits, and idle. */
static uint32_t level(uint32_t byte, uint64_t bit) {
    return bit == 0 ? 0u : bit > 8u ? 1u : byte >> (bit - 1u) & 1u;
}

/* Time in units in which a bit of the sender takes 2 * rate, and half of one of this end `sent`. */
static void hear(uint32_t byte, uint32_t sent) {
    uint64_t now = 0;
    heard_size = heard_at = 0;
    for (uint32_t bit = 0; bit <= 8u; bit++) {
        const uint64_t edge = 2u * (uint64_t)rate * bit;
        const uint32_t falls = level(byte, bit) == 0u && (bit == 0u || level(byte, bit - 1u) != 0u);
        if (edge < now || !falls || level(byte, (edge + sent) / (2u * (uint64_t)rate)) != 0u) {
            continue; /* no start bit */
        }
        uint32_t found = 0;
        for (uint32_t k = 0; k < 8u; k++) {
            found |= level(byte, (edge + (2u * k + 3u) * (uint64_t)sent) / (2u * (uint64_t)rate)) << k;
        }
        heard[heard_size++] = (uint8_t)found;
        now = edge + 19u * (uint64_t)sent; /* the middle of the stop bit */
    }
}

int __wrap_dqt_port_read(void) {
    while (heard_at == heard_size) {
        while (word_bytes < 4u) {
            const int byte = __real_dqt_port_read();
            if (byte < 0) {
                return -1;
            }
            word |= (uint32_t)byte << 8u * word_bytes;
            word_bytes++;
        }
        const uint64_t takes = BYTE_NS / (word >> 8);
        if (waited == 0u && spent_ns < takes) {
            return -1; /* it is still on the line */
        }
        spent_ns = waited != 0u ? 0 : spent_ns - takes;
        waited = 0;
        hear(word & 0xFFu, word >> 8);
        word = word_bytes = 0;
    }
    return heard[heard_at++];
}

void __wrap_dqt_port_wait(void) {
    waited = 1;
    if (word_bytes < 4u) {
        __real_dqt_port_wait();
    }
}

int __wrap_dqt_port_can_write(void) {
    return __real_dqt_port_can_write(); /* its buffer has a multiple of four bytes */
}

void __wrap_dqt_port_write(uint8_t byte) {
    const uint32_t whole = rate << 8 | byte;
    spent_ns += BYTE_NS / rate;
    for (uint32_t i = 0; i < 4u; i++) {
        __real_dqt_port_write((uint8_t)(whole >> 8u * i));
    }
}

uint32_t __wrap_dqt_port_baud(uint32_t baud) {
    return CLOCK_HZ / ((CLOCK_HZ + baud / 2u) / baud);
}

void __wrap_dqt_port_set_baud(uint32_t baud) {
    rate = baud;
    heard_size = heard_at = 0;
}
