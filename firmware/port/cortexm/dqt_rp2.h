/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the ports of RP2040 and RP2350 share: crystal, PLL, clocks, pins and UART0 (RP2040 Datasheet 2.14 to 2.19 and
 * 4.2; the RP2350 Datasheet has chapters of the same names). A port defines the addresses RESETS, CLOCKS, XOSC,
 * PLL_SYS, IO_BANK0, PADS_BANK0, UART0 and WATCHDOG, the registers SIO_GPIO_OUT_SET, SIO_GPIO_OUT_CLR and
 * SIO_GPIO_OE_SET, the bits DQT_RESETS of what it takes out of reset and RESETS_PLL_SYS, the PLL's dividers PLL_FBDIV,
 * PLL_POSTDIV1 and PLL_POSTDIV2, CHIP_RESET with its bits CHIP_RESET_POWER, _PIN and _WATCHDOG, PSM with
 * PSM_WDSEL_CHIP, and WATCHDOG_TICKS_A_MS, and includes this file, which defines all functions of dqt_port.h but those
 * of the counter and dqt_port_init(). The board's constants: xosc_hz, tx and rx, the pins of UART0; trigger_pin, if
 * there is a trigger; watchdog_ms, if there is a watchdog. */
#ifndef DQT_RP2_H
#define DQT_RP2_H

#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_messages.h"
#include "dqt_port.h"
#include "dqt_register.h"

/* Subsystem resets */
#define RESETS_RESET DQT_REG(RESETS + 0x0u)
#define RESETS_RESET_DONE DQT_REG(RESETS + 0x8u)

/* Clocks */
#define CLK_REF_CTRL DQT_REG(CLOCKS + 0x30u)
#define CLK_REF_CTRL_SRC_XOSC 2u
#define CLK_REF_SELECTED DQT_REG(CLOCKS + 0x38u)
#define CLK_SYS_CTRL DQT_REG(CLOCKS + 0x3Cu)
#define CLK_SYS_CTRL_SRC_AUX 1u /* and AUXSRC 0: the system PLL */
#define CLK_SYS_SELECTED DQT_REG(CLOCKS + 0x44u)
#define CLK_PERI_CTRL DQT_REG(CLOCKS + 0x48u)
#define CLK_PERI_CTRL_ENABLE (1u << 11) /* and AUXSRC 0: the system clock */

/* Crystal oscillator */
#define XOSC_CTRL DQT_REG(XOSC + 0x00u)
#define XOSC_CTRL_1_15MHZ 0xAA0u
#define XOSC_CTRL_ENABLE (0xFABu << 12)
#define XOSC_STATUS DQT_REG(XOSC + 0x04u)
#define XOSC_STATUS_STABLE (1u << 31)
#define XOSC_STARTUP DQT_REG(XOSC + 0x0Cu)

/* PLL */
#define PLL_CS DQT_REG(PLL_SYS + 0x0u)
#define PLL_CS_LOCK (1u << 31)
#define PLL_PWR DQT_REG(PLL_SYS + 0x4u)
#define PLL_PWR_PD (1u << 0)
#define PLL_PWR_POSTDIVPD (1u << 3)
#define PLL_PWR_VCOPD (1u << 5)
#define PLL_FBDIV_INT DQT_REG(PLL_SYS + 0x8u)
#define PLL_PRIM DQT_REG(PLL_SYS + 0xCu)

/* Watchdog; what it and the chip remember of a reset stays until the next one of the whole chip */
#define WATCHDOG_REASON DQT_REG(WATCHDOG + 0x08u) /* 0: that was by hardware */
#define WATCHDOG_SCRATCH0 DQT_REG(WATCHDOG + 0x0Cu)
#define TOLD 0x64717430u

/* User bank IO and its pads */
#define IO_CTRL(pin) DQT_REG(IO_BANK0 + 8u * (pin) + 4u)
#define IO_CTRL_UART 2u
#define IO_CTRL_SIO 5u
#define PAD(pin) DQT_REG(PADS_BANK0 + 4u * (pin) + 4u)
#define PAD_OUTPUT 0x52u /* input on, 4 mA, Schmitt trigger; on RP2350 also: not isolated */
#define PAD_UP 0x5Au     /* input on, 4 mA, pull-up, Schmitt trigger; on RP2350 also: not isolated */

/* UART (Arm PL011, DDI0183) */
#define UARTDR DQT_REG(UART0 + 0x00u)
#define UARTFR DQT_REG(UART0 + 0x18u)
#define UARTFR_BUSY (1u << 3)
#define UARTFR_RXFE (1u << 4)
#define UARTFR_TXFF (1u << 5)
#define UARTIBRD DQT_REG(UART0 + 0x24u)
#define UARTFBRD DQT_REG(UART0 + 0x28u)
#define UARTLCR_H DQT_REG(UART0 + 0x2Cu)
#define UARTLCR_H_8BIT_FIFO (3u << 5 | 1u << 4)
#define UARTCR DQT_REG(UART0 + 0x30u)
#define UARTCR_ON (1u << 9 | 1u << 8 | 1u << 0) /* receiver, transmitter, UART */

_Static_assert(DQT_BOARD_XOSC_HZ / 1000u * PLL_FBDIV / (PLL_POSTDIV1 * PLL_POSTDIV2) == DQT_CORE_HZ / 1000u,
               "the PLL's dividers do not give cpu.hz");

/* Hz of the core, for a debugger: DQT_CORE_HZ, that of the crystal, or 0 for the ring oscillator. */
volatile uint32_t dqt_clock_hz;

/* The flags cannot be cleared: a scratch register, which every reset of the chip clears, says that they were read. */
static uint32_t dqt_reset_cause(void) {
    const uint32_t told = WATCHDOG_SCRATCH0;
    WATCHDOG_SCRATCH0 = TOLD;
    if (WATCHDOG_REASON != 0) {
        return DQT_RESTART_WATCHDOG;
    }
    if (told == TOLD) {
        return DQT_RESTART_UNKNOWN; /* of the core alone: who it was, he left word of */
    }
    const uint32_t flags = CHIP_RESET;
    if ((flags & CHIP_RESET_WATCHDOG) != 0) {
        return DQT_RESTART_WATCHDOG;
    }
    if ((flags & CHIP_RESET_PIN) != 0) {
        return DQT_RESTART_PIN;
    }
    return (flags & CHIP_RESET_POWER) != 0 ? DQT_RESTART_POWER : DQT_RESTART_UNKNOWN;
}

/* Resets subsystems, which a restart of the core leaves as they are. */
static void dqt_reset_subsystems(uint32_t bits) {
    RESETS_RESET |= bits;
    RESETS_RESET &= ~bits;
    (void)dqt_wait(&RESETS_RESET_DONE, bits, bits);
}

/* From the ring oscillator to the crystal, and from there to the PLL. Without a crystal there is no baud rate: the core
 * stays where it is, and the UART silent. */
static void dqt_start_clocks(void) {
    XOSC_STARTUP = DQT_BOARD_XOSC_HZ / 256u / 500u; /* 2 ms, in 256 cycles of the crystal */
    XOSC_CTRL = XOSC_CTRL_ENABLE | XOSC_CTRL_1_15MHZ;
    if (!dqt_wait(&XOSC_STATUS, XOSC_STATUS_STABLE, XOSC_STATUS_STABLE)) {
        return;
    }
    CLK_SYS_CTRL = 0; /* the reference clock */
    (void)dqt_wait(&CLK_SYS_SELECTED, 1u, 1u);
    CLK_REF_CTRL = CLK_REF_CTRL_SRC_XOSC;
    (void)dqt_wait(&CLK_REF_SELECTED, 1u << CLK_REF_CTRL_SRC_XOSC, 1u << CLK_REF_CTRL_SRC_XOSC);
    dqt_clock_hz = DQT_BOARD_XOSC_HZ;
    dqt_reset_subsystems(RESETS_PLL_SYS);
    PLL_FBDIV_INT = PLL_FBDIV; /* the crystal by 1 (CS.REFDIV after reset) */
    PLL_PWR &= ~(PLL_PWR_PD | PLL_PWR_VCOPD);
    if (!dqt_wait(&PLL_CS, PLL_CS_LOCK, PLL_CS_LOCK)) {
        return;
    }
    PLL_PRIM = PLL_POSTDIV1 << 16 | PLL_POSTDIV2 << 12;
    PLL_PWR &= ~PLL_PWR_POSTDIVPD;
    CLK_SYS_CTRL = CLK_SYS_CTRL_SRC_AUX;
    (void)dqt_wait(&CLK_SYS_SELECTED, 1u << CLK_SYS_CTRL_SRC_AUX, 1u << CLK_SYS_CTRL_SRC_AUX);
    dqt_clock_hz = DQT_CORE_HZ;
}

/* Clocks a bit, in 64ths of 16 (4.2.7.1); without the PLL the UART has the crystal's clock, or none that is known. */
static uint32_t dqt_uart_divider(uint32_t baud) {
    return dqt_divided((dqt_clock_hz == DQT_CORE_HZ ? DQT_CORE_HZ : DQT_BOARD_XOSC_HZ) * 4u, baud);
}

/* The UART is off. */
static void dqt_set_uart(uint32_t baud) {
    const uint32_t divider = dqt_uart_divider(baud);
    UARTIBRD = divider >> 6;
    UARTFBRD = divider & 63u;
    UARTLCR_H = UARTLCR_H_8BIT_FIFO; /* takes the divider over: written behind it */
    UARTCR = UARTCR_ON;
}

static void dqt_start_uart(void) {
    CLK_PERI_CTRL = CLK_PERI_CTRL_ENABLE;
    dqt_reset_subsystems(DQT_RESETS);
    PAD(DQT_BOARD_TX) = PAD_UP;
    PAD(DQT_BOARD_RX) = PAD_UP;
    IO_CTRL(DQT_BOARD_TX) = IO_CTRL_UART;
    IO_CTRL(DQT_BOARD_RX) = IO_CTRL_UART;
    dqt_set_uart(DQT_UART_BAUD);
}

/* SIO, "GPIO control" */
#ifdef DQT_BOARD_TRIGGER_PIN
static void dqt_trigger_start(void) {
    SIO_GPIO_OUT_CLR = 1u << DQT_BOARD_TRIGGER_PIN; /* low, before it is an output */
    SIO_GPIO_OE_SET = 1u << DQT_BOARD_TRIGGER_PIN;
    PAD(DQT_BOARD_TRIGGER_PIN) = PAD_OUTPUT;
    IO_CTRL(DQT_BOARD_TRIGGER_PIN) = IO_CTRL_SIO;
}

void dqt_port_trigger(uint32_t high) {
    if (high != 0u) {
        SIO_GPIO_OUT_SET = 1u << DQT_BOARD_TRIGGER_PIN;
    } else {
        SIO_GPIO_OUT_CLR = 1u << DQT_BOARD_TRIGGER_PIN;
    }
}
#else
static void dqt_trigger_start(void) {
}
#endif

/* Watchdog, which counts microseconds down from LOAD. In a RP2040 it counts each one twice (erratum RP2040-E1). At 0 it
 * resets what PSM_WDSEL names: the whole chip but its oscillators, as the SDK has it. */
#ifdef DQT_BOARD_WATCHDOG_MS
_Static_assert(DQT_BOARD_WATCHDOG_MS >= 1u && DQT_BOARD_WATCHDOG_MS * WATCHDOG_TICKS_A_MS <= 0xFFFFFFu,
               "LOAD has 24 bits");
#define PSM_WDSEL DQT_REG(PSM + 0x8u)
#define WATCHDOG_CTRL DQT_REG(WATCHDOG + 0x00u)
#define WATCHDOG_CTRL_PAUSE (7u << 24) /* while a debugger works */
#define WATCHDOG_CTRL_ENABLE (1u << 30)
#define WATCHDOG_LOAD DQT_REG(WATCHDOG + 0x04u)

/* Its tick of a microsecond runs. */
static void dqt_watchdog_start(void) {
    WATCHDOG_CTRL &= ~WATCHDOG_CTRL_ENABLE; /* a reset of the core leaves it running */
    PSM_WDSEL = PSM_WDSEL_CHIP;
    WATCHDOG_LOAD = DQT_BOARD_WATCHDOG_MS * WATCHDOG_TICKS_A_MS;
    WATCHDOG_CTRL |= WATCHDOG_CTRL_PAUSE | WATCHDOG_CTRL_ENABLE;
}

void dqt_port_feed(void) {
    WATCHDOG_LOAD = DQT_BOARD_WATCHDOG_MS * WATCHDOG_TICKS_A_MS;
}
#else
static void dqt_watchdog_start(void) {
}
#endif

int dqt_port_read(void) {
    return (UARTFR & UARTFR_RXFE) == 0 ? (int)(UARTDR & 0xFFu) : -1;
}

int dqt_port_can_write(void) {
    return (UARTFR & UARTFR_TXFF) == 0 ? 1 : 0;
}

void dqt_port_write(uint8_t byte) {
    UARTDR = byte;
}

uint32_t dqt_port_baud(uint32_t baud) {
    const uint32_t divider = dqt_uart_divider(baud);
    return divider < 64u ? 0u
                         : dqt_divided((dqt_clock_hz == DQT_CORE_HZ ? DQT_CORE_HZ : DQT_BOARD_XOSC_HZ) * 4u, divider);
}

void dqt_port_set_baud(uint32_t baud) {
    (void)dqt_wait(&UARTFR, UARTFR_BUSY, 0);
    UARTCR = 0;
    dqt_set_uart(baud);
}

/* Nothing to flush, and no sleep: only an interrupt would end it. */
void dqt_port_wait(void) {
}

void dqt_port_reset(void) {
    (void)dqt_wait(&UARTFR, UARTFR_BUSY, 0);
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    (void)info; /* for a debugger */
    dqt_cortexm_fault();
}

#endif
