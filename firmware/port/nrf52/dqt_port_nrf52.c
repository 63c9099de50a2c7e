/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * nRF52840 (Nordic nRF52840 Product Specification; chapters by their names): the core runs at 64 MHz from reset on,
 * here from the crystal, without which the UART would be too far off; instruction cache, UART0.
 * The board's constants: tx_port, tx, rx_port, rx, ports 0 or 1 and pins 0..31; trigger_port and trigger_pin, if
 * there is a trigger. */
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_dwt.h"
#include "dqt_messages.h"
#include "dqt_port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* CLOCK */
#define CLOCK_TASKS_HFCLKSTART REGISTER(0x40000000u)
#define CLOCK_EVENTS_HFCLKSTARTED REGISTER(0x40000100u)

/* POWER: reasons of every reset since they were cleared, each by a 1 */
#define POWER_RESETREAS REGISTER(0x40000400u)
#define POWER_RESETREAS_RESETPIN (1u << 0)
#define POWER_RESETREAS_DOG (1u << 1)

/* UART, "Universal asynchronous receiver/transmitter" */
#define UART_TASKS_STARTRX REGISTER(0x40002000u)
#define UART_TASKS_STOPRX REGISTER(0x40002004u)
#define UART_TASKS_STARTTX REGISTER(0x40002008u)
#define UART_TASKS_STOPTX REGISTER(0x4000200Cu)
#define UART_EVENTS_RXDRDY REGISTER(0x40002108u) /* a byte waits in RXD, behind which five more queue */
#define UART_EVENTS_TXDRDY REGISTER(0x4000211Cu) /* the byte written to TXD has been sent */
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_ENABLE_ON 4u
#define UART_PSEL_TXD REGISTER(0x4000250Cu)
#define UART_PSEL_RXD REGISTER(0x40002514u)
#define UART_RXD REGISTER(0x40002518u)
#define UART_TXD REGISTER(0x4000251Cu)
#define UART_BAUDRATE REGISTER(0x40002524u)

_Static_assert(DQT_UART_BAUD == 115200, "the register takes one of a few values, and start-up only this one");

/* BAUDRATE: the values that the register takes from 115,200 on, and the rates that come of them; 921,600, which would
 * be 2.1 % off, aside. */
static const struct {
    uint32_t baud, actual, value;
} rates[] = {
    {115200, 115108, 0x01D7E000u},
    {230400, 231884, 0x03AFB000u},
    {460800, 457143, 0x075F7000u},
    {1000000, 1000000, 0x10000000u},
};
#define RATES (sizeof rates / sizeof rates[0])
_Static_assert(DQT_CORE_HZ == 64000000, "the chip has one clock");

/* NVMC */
#define NVMC_ICACHECNF REGISTER(0x4001E540u)
#define NVMC_ICACHECNF_CACHEEN (1u << 0)

/* GPIO */
#define GPIO(port) (0x50000000u + 0x300u * (port))
#define GPIO_OUTSET(port) REGISTER(GPIO(port) + 0x508u)
#define GPIO_OUTCLR(port) REGISTER(GPIO(port) + 0x50Cu)
#define GPIO_PIN_CNF(port, pin) REGISTER(GPIO(port) + 0x700u + 4u * (pin))
#define PIN_OUTPUT 3u                         /* output, input buffer off */
#define PIN_INPUT_UP 0x0Cu                    /* input with a pull-up: an open line reads as idle */
#define PSEL(port, pin) ((port) << 5 | (pin)) /* PSEL: connected */

/* Armv7-M DDI0403E B3.4 */
#define NVIC_ICER(n) REGISTER(0xE000E180u + 4u * (n))
#define SCB_VTOR REGISTER(0xE000ED08u)

#define POLLS 100000u /* about 20 ms; the crystal takes less than one (CLOCK, electrical specification) */

static uint32_t sending; /* TXD holds a byte whose event has not come */

/* Whether the core runs from the crystal, for a debugger. */
volatile uint32_t dqt_crystal;

static void start_crystal(void) {
    CLOCK_EVENTS_HFCLKSTARTED = 0;
    CLOCK_TASKS_HFCLKSTART = 1;
    for (uint32_t i = 0; i < POLLS && dqt_crystal == 0; i++) {
        dqt_crystal = CLOCK_EVENTS_HFCLKSTARTED;
    }
}

/* The supply leaves no reason; nor does a boot loader that has cleared them, below a program that lies above 0. */
static uint32_t cause_of_reset(void) {
    const uint32_t reasons = POWER_RESETREAS;
    POWER_RESETREAS = reasons;
    if ((reasons & POWER_RESETREAS_DOG) != 0) {
        return DQT_RESTART_WATCHDOG;
    }
    if (reasons == POWER_RESETREAS_RESETPIN) {
        return DQT_RESTART_PIN;
    }
    return reasons == 0 && SCB_VTOR == 0 ? DQT_RESTART_POWER : DQT_RESTART_UNKNOWN;
}

#ifdef DQT_BOARD_TRIGGER_PIN
static void start_trigger(void) {
    GPIO_OUTCLR(DQT_BOARD_TRIGGER_PORT) = 1u << DQT_BOARD_TRIGGER_PIN; /* low, before it is an output */
    GPIO_PIN_CNF(DQT_BOARD_TRIGGER_PORT, DQT_BOARD_TRIGGER_PIN) = PIN_OUTPUT;
}

void dqt_port_trigger(uint32_t high) {
    if (high != 0u) {
        GPIO_OUTSET(DQT_BOARD_TRIGGER_PORT) = 1u << DQT_BOARD_TRIGGER_PIN;
    } else {
        GPIO_OUTCLR(DQT_BOARD_TRIGGER_PORT) = 1u << DQT_BOARD_TRIGGER_PIN;
    }
}
#else
static void start_trigger(void) {
}
#endif

static uint32_t rate_of(uint32_t baud) {
    uint32_t index = 0;
    while (index < RATES && rates[index].baud != baud) {
        index++;
    }
    return index;
}

/* The UART is off, with its pins selected. `index`: of rates. */
static void start_uart(uint32_t index) {
    UART_BAUDRATE = rates[index].value;
    UART_ENABLE = UART_ENABLE_ON;
    UART_EVENTS_RXDRDY = 0;
    UART_EVENTS_TXDRDY = 0;
    sending = 0;
    UART_TASKS_STARTTX = 1;
    UART_TASKS_STARTRX = 1;
}

/* WDT, on the low-frequency clock of 32768 Hz, the RC oscillator's if no crystal runs. It pauses while a debugger halts
 * the core. Once started it cannot be configured, and only a reset that is not by software ends it. */
#ifdef DQT_BOARD_WATCHDOG_MS
_Static_assert(DQT_BOARD_WATCHDOG_MS >= 1u && DQT_BOARD_WATCHDOG_MS <= 131071999u, "CRV has 32 bits");
#define WDT_TASKS_START REGISTER(0x40010000u)
#define WDT_CRV REGISTER(0x40010504u)    /* ticks, less one; at least 15 */
#define WDT_RREN REGISTER(0x40010508u)   /* bit 0: reload register 0 */
#define WDT_CONFIG REGISTER(0x4001050Cu) /* bit 0: runs while the core sleeps */
#define WDT_RR0 REGISTER(0x40010600u)
#define WDT_RR_RELOAD 0x6E524635u

static void start_watchdog(void) {
    WDT_CONFIG = 1;
    WDT_CRV = (uint32_t)((DQT_BOARD_WATCHDOG_MS * 32768ull + 999u) / 1000u) - 1u;
    WDT_RREN = 1;
    WDT_TASKS_START = 1;
    WDT_RR0 = WDT_RR_RELOAD; /* it goes on through a restart by software */
}

void dqt_port_feed(void) {
    WDT_RR0 = WDT_RR_RELOAD;
}
#else
static void start_watchdog(void) {
}
#endif

void dqt_port_init(void) {
    dqt_cortexm_started(cause_of_reset());
    NVIC_ICER(0) = 0xFFFFFFFFu; /* a boot loader may have left interrupts on; this program takes none */
    NVIC_ICER(1) = 0xFFFFFFFFu;
    start_crystal();
    NVMC_ICACHECNF |= NVMC_ICACHECNF_CACHEEN;
    GPIO_OUTSET(DQT_BOARD_TX_PORT) = 1u << DQT_BOARD_TX; /* idle, before it is an output */
    GPIO_PIN_CNF(DQT_BOARD_TX_PORT, DQT_BOARD_TX) = PIN_OUTPUT;
    GPIO_PIN_CNF(DQT_BOARD_RX_PORT, DQT_BOARD_RX) = PIN_INPUT_UP;
    UART_PSEL_TXD = PSEL(DQT_BOARD_TX_PORT, DQT_BOARD_TX);
    UART_PSEL_RXD = PSEL(DQT_BOARD_RX_PORT, DQT_BOARD_RX);
    start_uart(0);
    start_trigger();
    dqt_dwt_init();
    start_watchdog();
}

int dqt_port_read(void) {
    if (UART_EVENTS_RXDRDY == 0u) {
        return -1;
    }
    UART_EVENTS_RXDRDY = 0; /* before the byte is taken: the next one sets it again */
    return (int)(UART_RXD & 0xFFu);
}

int dqt_port_can_write(void) {
    return sending == 0u || UART_EVENTS_TXDRDY != 0u;
}

void dqt_port_write(uint8_t byte) {
    UART_EVENTS_TXDRDY = 0;
    UART_TXD = byte;
    sending = 1;
}

/* Nothing to flush, and no sleep: only an interrupt would end it. */
void dqt_port_wait(void) {
}

static void wait_until_sent(void) {
    for (uint32_t i = 0; i < POLLS && !dqt_port_can_write(); i++) {
    }
}

uint32_t dqt_port_baud(uint32_t baud) {
    const uint32_t index = rate_of(baud);
    return index < RATES ? rates[index].actual : 0u;
}

void dqt_port_set_baud(uint32_t baud) {
    wait_until_sent();
    UART_TASKS_STOPTX = 1;
    UART_TASKS_STOPRX = 1;
    UART_ENABLE = 0; /* it may be configured only then; GPIO holds the line idle */
    start_uart(rate_of(baud));
}

void dqt_port_reset(void) {
    wait_until_sent();
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    (void)info; /* for a debugger */
    dqt_cortexm_fault();
}
