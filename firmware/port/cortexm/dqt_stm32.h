/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the ports of STM32 families share: pins. GPIO: the chapter "General-purpose I/Os" of each family's reference
 * manual; the registers are the same in all. */
#ifndef DQT_STM32_H
#define DQT_STM32_H

#include "dqt_register.h"

static inline void dqt_set_field(volatile uint32_t *address, uint32_t position, uint32_t width, uint32_t value) {
    const uint32_t mask = ((1u << width) - 1u) << position;
    *address = (*address & ~mask) | (value << position);
}

/* A pin for a peripheral: alternate function, with a pull-up, so that an open line reads as idle.
 * `port`: address of the port's registers, whose clock is on; `pin`: 0..15; `function`: 0..15. */
static inline void dqt_alternate_pin(uint32_t port, uint32_t pin, uint32_t function) {
    dqt_set_field(&DQT_REG(port + 0x20u + 4u * (pin / 8u)), (pin % 8u) * 4u, 4, function); /* AFRL, AFRH */
    dqt_set_field(&DQT_REG(port + 0x08u), pin * 2u, 2, 2);                                 /* OSPEEDR: high */
    dqt_set_field(&DQT_REG(port + 0x0Cu), pin * 2u, 2, 1);                                 /* PUPDR: up */
    dqt_set_field(&DQT_REG(port + 0x00u), pin * 2u, 2, 2);                                 /* MODER: alternate */
}

#endif
