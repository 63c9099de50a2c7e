/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * RP2040 (RP2040 Datasheet, its section numbers): 133 MHz from the crystal, UART0. The second stage of booting, which
 * sets flash up, is dqt_boot2.S. */
#define RESETS 0x4000C000u
#define CLOCKS 0x40008000u
#define XOSC 0x40024000u
#define PLL_SYS 0x40028000u
#define IO_BANK0 0x40014000u
#define PADS_BANK0 0x4001C000u
#define UART0 0x40034000u
#define WATCHDOG 0x40058000u
#define PSM 0x40010000u
#define PSM_WDSEL_CHIP (0x1FFFFu & ~3u) /* 2.13.5: all but ROSC and XOSC */
#define WATCHDOG_TICKS_A_MS 2000u
#define CHIP_RESET DQT_REG(0x40064008u) /* 2.10.6 */
#define CHIP_RESET_POWER (1u << 8)
#define CHIP_RESET_PIN (1u << 16)
#define CHIP_RESET_WATCHDOG 0u
#define SIO_GPIO_OUT_SET DQT_REG(0xD0000014u) /* 2.3.1.7 */
#define SIO_GPIO_OUT_CLR DQT_REG(0xD0000018u)
#define SIO_GPIO_OE_SET DQT_REG(0xD0000024u)
#define RESETS_PLL_SYS (1u << 12)                            /* 2.14.3 */
#define DQT_RESETS (1u << 5 | 1u << 8 | 1u << 21 | 1u << 22) /* IO_BANK0, PADS_BANK0, TIMER, UART0 */
#define PLL_FBDIV 133u                                       /* 2.18.2: an oscillator of 750 to 1600 MHz; 1596 here */
#define PLL_POSTDIV1 6u
#define PLL_POSTDIV2 2u
#include "dqt_rp2.h"

/* 4.7.6: the tick of a microsecond comes from the watchdog */
#define WATCHDOG_TICK DQT_REG(WATCHDOG + 0x2Cu)
#define WATCHDOG_TICK_ENABLE (1u << 9)
#define TIMERAWL DQT_REG(0x40054028u) /* 4.6.5 */

/* Armv6-M DDI0419E B3.3 */
#define SYST_CSR DQT_REG(0xE000E010u)
#define SYST_CSR_CORE_CLOCK 5u /* on, clocked as the core */
#define SYST_RVR DQT_REG(0xE000E014u)
#define SYST_CVR DQT_REG(0xE000E018u)
#define SYST_MASK 0xFFFFFFu

_Static_assert(DQT_CORE_HZ % 1000000u == 0, "the counter needs whole cycles in a microsecond");
#define CYCLES_A_MICROSECOND (DQT_CORE_HZ / 1000000u)

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

static uint32_t apart; /* SysTick less the timer in cycles, at start */

/* Cycles, 32 bits: SysTick counts them exactly, but only 24 bits of them; the timer, which runs from the same crystal,
 * knows all of them to a microsecond. The one number that both agree to. */
uint64_t dqt_port_counter(void) {
    const uint32_t about = TIMERAWL * CYCLES_A_MICROSECOND;
    const uint32_t off = ((SYST_MASK - SYST_CVR) - about - apart) & SYST_MASK;
    return (uint32_t)(about + (off < SYST_MASK / 2u ? off : off - SYST_MASK - 1u));
}

void dqt_port_init(void) {
    dqt_cortexm_started(dqt_reset_cause());
    dqt_start_clocks();
    dqt_start_uart();
    dqt_trigger_start();
    WATCHDOG_TICK = WATCHDOG_TICK_ENABLE | DQT_BOARD_XOSC_HZ / 1000000u;
    SYST_RVR = SYST_MASK;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_CORE_CLOCK;
    const uint32_t about = TIMERAWL * CYCLES_A_MICROSECOND;
    apart = SYST_MASK - SYST_CVR - about;
    dqt_watchdog_start();
}
