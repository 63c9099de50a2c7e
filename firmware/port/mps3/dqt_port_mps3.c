/* MPS3 image AN547 (Cortex-M55 in Corstone SSE-300), as QEMU models it. The core starts in the secure state. */
#include "dqt_cmsdk_uart.h"
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_port.h"
#include "dqt_semihosting.h"

#define UART0 ((dqt_cmsdk_uart *)0x59303000u) /* secure alias */
#define UART_HZ 25000000u                     /* of the peripherals; the core has 32 MHz */

_Static_assert(UART_HZ / DQT_UART_BAUD >= 16u, "the CMSDK UART divides by 16 at least");

/* The 64-bit system counter of the subsystem (Arm 101773, system counter): a control and a read frame. */
#define COUNTER_CONTROL (*(volatile uint32_t *)0x58100000u) /* CNTCR; bit 0: enable */
#define COUNTER_LOW (*(volatile uint32_t *)0x58101000u)     /* CNTCV, low and high word */
#define COUNTER_HIGH (*(volatile uint32_t *)0x58101004u)

const uint64_t dqt_port_counter_mask = UINT64_MAX;

void dqt_port_init(void) {
    COUNTER_CONTROL = 1;
    dqt_cmsdk_uart_init(UART0, UART_HZ / DQT_UART_BAUD);
}

uint64_t dqt_port_counter(void) {
    uint32_t high;
    uint32_t low;
    do { /* the low word may carry into the high word between two reads */
        high = COUNTER_HIGH;
        low = COUNTER_LOW;
    } while (high != COUNTER_HIGH);
    return ((uint64_t)high << 32) | low;
}

int dqt_port_read(void) {
    return dqt_cmsdk_uart_read(UART0);
}

int dqt_port_can_write(void) {
    return dqt_cmsdk_uart_can_write(UART0);
}

void dqt_port_write(uint8_t byte) {
    dqt_cmsdk_uart_write(UART0, byte);
}

void dqt_port_wait(void) {
}

void dqt_port_reset(void) {
    while (!dqt_port_can_write()) {
    }
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    dqt_semihosting_fault(info);
}
