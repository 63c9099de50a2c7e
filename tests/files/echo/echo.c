/* Exercises a port in a test: echoes what it receives, but for the commands below. */
#include "dqt_board.h"
#include "dqt_port.h"

static volatile uint32_t kept;

static void send(uint8_t byte) {
    while (!dqt_port_can_write()) {
    }
    dqt_port_write(byte);
}

/* A value that only arithmetic gives: says that code and data run at all, without a peripheral in between. */
static uint32_t work(void) {
    uint32_t value = 1;
    for (uint32_t i = 0; i < 20000000u; i++) {
        value = value * 1664525u + 1013904223u;
    }
    return value;
}

int main(void) {
    dqt_port_init();
    send('>');
    for (;;) {
        const int byte = dqt_port_read();
        if (byte < 0) {
            dqt_port_wait();
            continue;
        }
        switch (byte) {
        case 'R':
            dqt_port_reset();
        case 'C':
            send((uint8_t)(dqt_port_counter() + dqt_port_counter_mask + 1u));
            break;
        case 'T':
            kept = (uint32_t)dqt_port_counter();
            for (uint32_t shift = 0; shift < 32; shift += 8) {
                send((uint8_t)(kept >> shift));
            }
            break;
        case 'S':
            send((uint8_t)(dqt_port_stack_used() > 0 && dqt_port_stack_used() < 4096));
            break;
        case 'Q':
            send((uint8_t)dqt_port_restart()->cause);
            break;
#ifdef DQT_BOARD_TRIGGER_PIN
        case 'G':
            dqt_port_trigger(1);
            send('g');
            dqt_port_trigger(0);
            break;
#endif
#ifdef DQT_BOARD_WATCHDOG_MS
        case 'F':
            dqt_port_feed();
            send('f');
            break;
#endif
        case 'K': { /* a rate, to be had behind what the port makes of it */
            uint32_t baud = 0;
            for (uint32_t shift = 0; shift < 32; shift += 8) {
                int next;
                while ((next = dqt_port_read()) < 0) {
                }
                baud |= (uint32_t)next << shift;
            }
            const uint32_t actual = dqt_port_baud(baud);
            for (uint32_t shift = 0; shift < 32; shift += 8) {
                send((uint8_t)(actual >> shift));
            }
            if (actual != 0) {
                dqt_port_set_baud(baud);
            }
            break;
        }
        case 'W':
            kept = work();
            for (uint32_t shift = 0; shift < 32; shift += 8) {
                send((uint8_t)(kept >> shift));
            }
            break;
        case 'X':
            kept = *(volatile uint32_t *)0x40000000u;
            break;
        case 'P':
            *(volatile uint32_t *)0x08000000u = 1;
            break;
        case 'B':
            *(volatile uint8_t *)0x40004828u = 1;
            break;
        case 'U':
            __asm__ volatile("udf 1");
            break;
        case 'H':
            for (;;) {
            }
        default:
            send((uint8_t)byte);
        }
    }
}
