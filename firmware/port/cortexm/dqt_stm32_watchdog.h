/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The watchdog of ports of STM32 families: the independent one, IWDG, on the chip's own LSI oscillator (chapter
 * "Independent watchdog" of each reference manual; RM0090, RM0351, RM0432, RM0440, RM0444, RM0433, RM0456). A port
 * defines DQT_IWDG, the address of its registers, includes this file, and calls dqt_watchdog_start() last in
 * dqt_port_init(). The board's constant: watchdog_ms, the time-out at 32 kHz; without it, nothing is compiled. */
#ifndef DQT_STM32_WATCHDOG_H
#define DQT_STM32_WATCHDOG_H

#include "dqt_board.h"
#include "dqt_port.h"
#include "dqt_register.h"

#ifdef DQT_BOARD_WATCHDOG_MS
_Static_assert(DQT_BOARD_WATCHDOG_MS >= 1u && DQT_BOARD_WATCHDOG_MS <= 32768u, "4096 times 256 ticks of LSI at most");

#define DQT_IWDG_KR DQT_REG(DQT_IWDG + 0x00u) /* keys */
#define DQT_IWDG_KR_RELOAD 0xAAAAu
#define DQT_IWDG_KR_UNLOCK 0x5555u             /* PR and RLR, until the next other key */
#define DQT_IWDG_KR_START 0xCCCCu              /* LSI too; only a reset ends it */
#define DQT_IWDG_PR DQT_REG(DQT_IWDG + 0x04u)  /* 0..6: a tick is 4 << PR ticks of LSI */
#define DQT_IWDG_RLR DQT_REG(DQT_IWDG + 0x08u) /* 0..4095: ticks, less one */
#define DQT_IWDG_SR DQT_REG(DQT_IWDG + 0x0Cu)
#define DQT_IWDG_SR_BUSY 3u /* PVU, RVU: PR or RLR is on its way */

/* Ticks of LSI, and the finest prescaler for which they are 4096 at most. */
#define DQT_IWDG_LSI (DQT_BOARD_WATCHDOG_MS * 32u)
#define DQT_IWDG_FITS(scale) (DQT_IWDG_LSI <= (4096u * 4u << (scale)))
#define DQT_IWDG_SCALE                                                                                                 \
    (DQT_IWDG_FITS(0u)   ? 0u                                                                                          \
     : DQT_IWDG_FITS(1u) ? 1u                                                                                          \
     : DQT_IWDG_FITS(2u) ? 2u                                                                                          \
     : DQT_IWDG_FITS(3u) ? 3u                                                                                          \
     : DQT_IWDG_FITS(4u) ? 4u                                                                                          \
     : DQT_IWDG_FITS(5u) ? 5u                                                                                          \
                         : 6u)
#define DQT_IWDG_TICK (4u << DQT_IWDG_SCALE)

static inline void dqt_watchdog_start(void) {
    DQT_IWDG_KR = DQT_IWDG_KR_START;
    DQT_IWDG_KR = DQT_IWDG_KR_UNLOCK;
    (void)dqt_wait(&DQT_IWDG_SR, DQT_IWDG_SR_BUSY, 0); /* of a program before this one */
    DQT_IWDG_PR = DQT_IWDG_SCALE;
    DQT_IWDG_RLR = (DQT_IWDG_LSI + DQT_IWDG_TICK - 1u) / DQT_IWDG_TICK - 1u;
    (void)dqt_wait(&DQT_IWDG_SR, DQT_IWDG_SR_BUSY, 0);
    DQT_IWDG_KR = DQT_IWDG_KR_RELOAD;
}

void dqt_port_feed(void) {
    DQT_IWDG_KR = DQT_IWDG_KR_RELOAD;
}
#else
static inline void dqt_watchdog_start(void) {
}
#endif

#endif
