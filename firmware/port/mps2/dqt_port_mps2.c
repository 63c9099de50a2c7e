/* MPS2 images AN385 (Cortex-M3), AN386 (M4) and AN500 (M7), as QEMU models them. */
#include "dqt_cmsdk_uart.h"
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_port.h"
#include "dqt_semihosting.h"

#define UART0 ((dqt_cmsdk_uart *)0x40004000u)

_Static_assert(DQT_CORE_HZ / DQT_UART_BAUD >= 16u, "the CMSDK UART divides by 16 at least");

/* CMSDK timer 0: counts down, 32 bits, one tick a period of the 25 MHz clock (Arm DDI 0479, APB timer). */
typedef struct {
    volatile uint32_t control;
    volatile uint32_t value;
    volatile uint32_t reload;
} timer;

#define TIMER0 ((timer *)0x40000000u)

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

void dqt_port_init(void) {
    TIMER0->reload = 0xFFFFFFFFu;
    TIMER0->value = 0xFFFFFFFFu;
    TIMER0->control = 1;
    dqt_cmsdk_uart_init(UART0, DQT_CORE_HZ / DQT_UART_BAUD);
}

uint64_t dqt_port_counter(void) {
    return ~TIMER0->value;
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
