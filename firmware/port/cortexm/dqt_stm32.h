/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the ports of STM32 families share: pins, and why the chip started. GPIO: the chapter "General-purpose I/Os" of
 * each family's reference manual; the registers are the same in all. */
#ifndef DQT_STM32_H
#define DQT_STM32_H

#include "dqt_messages.h"
#include "dqt_register.h"

/* RCC, "control/status register": flags of every reset since they were cleared, in all families at these bits. */
#define DQT_RESET_FLAGS 0xFF000000u
#define DQT_RESET_PIN (1u << 26)
#define DQT_RESET_WATCHDOGS (3u << 29) /* IWDGRSTF, WWDGRSTF */

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

/* Why the chip started, a DQT_RESTART_...; clears the flags. Every reset pulls the pin too, so that one counts where it
 * is alone. `status`: the register; `remove`: its bit that clears them; `power`: bits of a reset by the supply. */
static inline uint32_t dqt_reset_cause(volatile uint32_t *status, uint32_t remove, uint32_t power) {
    const uint32_t flags = *status & DQT_RESET_FLAGS & ~remove;
    *status |= remove;
    if ((flags & power) != 0) {
        return DQT_RESTART_POWER;
    }
    if ((flags & DQT_RESET_WATCHDOGS) != 0) {
        return DQT_RESTART_WATCHDOG;
    }
    return flags == DQT_RESET_PIN ? DQT_RESTART_PIN : DQT_RESTART_UNKNOWN; /* by software: who it was, he left word */
}

#endif
