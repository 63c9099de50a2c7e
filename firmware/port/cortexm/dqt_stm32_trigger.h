/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The trigger of ports of STM32 families: a pin that is high while the model runs (registers of "General-purpose I/Os"
 * in each reference manual). A port defines DQT_GPIO, the address of port A's registers, and DQT_GPIO_CLOCK, the
 * register whose bit 0 switches port A's clock on, includes this file, and calls dqt_trigger_start() in
 * dqt_port_init(). The board's constants: trigger_port (0: A) and trigger_pin; without them, nothing is compiled. */
#ifndef DQT_STM32_TRIGGER_H
#define DQT_STM32_TRIGGER_H

#include "dqt_board.h"
#include "dqt_port.h"
#include "dqt_stm32.h"

#ifdef DQT_BOARD_TRIGGER_PIN
#define DQT_TRIGGER_BASE (DQT_GPIO + 0x400u * DQT_BOARD_TRIGGER_PORT)
#define DQT_TRIGGER_BSRR DQT_REG(DQT_TRIGGER_BASE + 0x18u) /* bits 0..15 set pins, 16..31 reset them */

static inline void dqt_trigger_start(void) {
    DQT_GPIO_CLOCK |= 1u << DQT_BOARD_TRIGGER_PORT;
    (void)DQT_GPIO_CLOCK;                                   /* two cycles until the clock arrives */
    DQT_TRIGGER_BSRR = 1u << (DQT_BOARD_TRIGGER_PIN + 16u); /* low, before it is an output */
    dqt_set_field(&DQT_REG(DQT_TRIGGER_BASE + 0x00u), DQT_BOARD_TRIGGER_PIN * 2u, 2, 1); /* MODER: output */
}

void dqt_port_trigger(uint32_t high) {
    DQT_TRIGGER_BSRR = high != 0u ? 1u << DQT_BOARD_TRIGGER_PIN : 1u << (DQT_BOARD_TRIGGER_PIN + 16u);
}
#else
static inline void dqt_trigger_start(void) {
}
#endif

#endif
