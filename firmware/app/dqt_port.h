/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What a port gives the app. One implementation for each family under port/; everything is polled, no interrupts. */
#ifndef DQT_PORT_H
#define DQT_PORT_H

#include <stdint.h>

/* Clocks, caches, serial line, counter. Called once, first. */
void dqt_port_init(void);

/* Next received byte 0..255, or -1 when none is waiting. Never blocks on a board; the native port blocks in
 * dqt_port_wait() instead of spinning, and exits when its input ends. */
int dqt_port_read(void);

/* 1 if dqt_port_write() would accept a byte now. */
int dqt_port_can_write(void);

/* Sends a byte; call only when dqt_port_can_write() says 1. */
void dqt_port_write(uint8_t byte);

/* Called when there is nothing to read: may sleep until something arrives, flushes what is buffered. */
void dqt_port_wait(void);

/* Free-running counter in the board's own ticks (boards/<id>.toml: counter). Wraps at dqt_port_counter_mask + 1. */
uint64_t dqt_port_counter(void);
extern const uint64_t dqt_port_counter_mask;

/* Sends what is still in the UART, then restarts the device; does not return. */
void dqt_port_reset(void) __attribute__((noreturn));

typedef enum {
    DQT_IMAGE_WHOLE,
    DQT_IMAGE_DAMAGED,
    DQT_IMAGE_UNSEALED, /* not known: the build wrote no CRC, or there is no flash */
} dqt_image_state;

/* Whether the program in flash is undamaged. Takes about 10 instructions a byte of it. */
dqt_image_state dqt_port_check_image(void);

/* Bytes of stack ever used, by the paint that start-up left; 0 where it is not known (native). */
uint32_t dqt_port_stack_used(void);

#endif
