/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * RP2350 (RP2350 Datasheet; chapters by their names), a Cortex-M33 of it in the secure state, in which it starts: 150
 * MHz from the crystal, UART0. Flash is as the boot ROM set it up. */
#define RESETS 0x40020000u
#define CLOCKS 0x40010000u
#define XOSC 0x40048000u
#define PLL_SYS 0x40050000u
#define IO_BANK0 0x40028000u
#define PADS_BANK0 0x40038000u
#define UART0 0x40070000u
#define WATCHDOG 0x400D8000u
#define PSM 0x40018000u
#define PSM_WDSEL_CHIP (0x1FFFFFFu & ~0xCu) /* Power-on state machine: all but ROSC and XOSC */
#define WATCHDOG_TICKS_A_MS 1000u
#define CHIP_RESET DQT_REG(0x4010002Cu)        /* Power manager */
#define CHIP_RESET_POWER (1u << 16 | 1u << 17) /* HAD_POR, HAD_BOR */
#define CHIP_RESET_PIN (1u << 18)
#define CHIP_RESET_WATCHDOG (7u << 22 | 1u << 28)
#define SIO_GPIO_OUT_SET DQT_REG(0xD0000018u) /* SIO, list of registers */
#define SIO_GPIO_OUT_CLR DQT_REG(0xD0000020u)
#define SIO_GPIO_OE_SET DQT_REG(0xD0000038u)
#define RESETS_PLL_SYS (1u << 14)                 /* Subsystem resets */
#define DQT_RESETS (1u << 6 | 1u << 9 | 1u << 26) /* IO_BANK0, PADS_BANK0, UART0 */
#define PLL_FBDIV 125u                            /* PLL: an oscillator of 750 to 1600 MHz; 1500 here */
#define PLL_POSTDIV1 5u
#define PLL_POSTDIV2 2u
#include "dqt_dwt.h"
#include "dqt_rp2.h"

/* Tick generators: the watchdog's */
#define TICKS_WATCHDOG_CTRL DQT_REG(0x40108030u) /* bit 0: enable */
#define TICKS_WATCHDOG_CYCLES DQT_REG(0x40108034u)

/* By this block in the first 4 KB of flash the boot ROM knows a program (Bootrom, "Block loops" and "Image
 * definitions"): an executable for Arm, secure, for RP2350, whose vectors lie at its start. */
#define BLOCK_START 0xFFFFDED3u
#define ITEM_IMAGE_TYPE 0x42u
#define IMAGE_TYPE_EXE (1u << 0)
#define IMAGE_TYPE_SECURE (2u << 4)
#define IMAGE_TYPE_RP2350 (1u << 12)
#define ITEM_LAST 0xFFu
#define BLOCK_END 0xAB123579u

__attribute__((section(".boot_block"), used)) static const uint32_t boot_block[5] = {
    BLOCK_START,
    (IMAGE_TYPE_EXE | IMAGE_TYPE_SECURE | IMAGE_TYPE_RP2350) << 16 | 1u << 8 | ITEM_IMAGE_TYPE, /* one word long */
    1u << 8 | ITEM_LAST,                                                                        /* one word before it */
    0, /* words to the next block of the loop: this is the only one */
    BLOCK_END,
};

void dqt_port_init(void) {
    dqt_cortexm_started(dqt_reset_cause());
    dqt_start_clocks();
    dqt_start_uart();
    dqt_trigger_start();
    dqt_dwt_init();
#ifdef DQT_BOARD_WATCHDOG_MS
    TICKS_WATCHDOG_CYCLES = DQT_BOARD_XOSC_HZ / 1000000u;
    TICKS_WATCHDOG_CTRL = 1;
#endif
    dqt_watchdog_start();
}
