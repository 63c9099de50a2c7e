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

/* Bits a second that the line would have if `baud` were wanted, as near as the port comes; 0: it cannot. `baud`:
 * DQT_UART_BAUD .. dqt_app.baud->max. A port whose rate is fixed includes dqt_fixed_baud.h instead of defining both. */
uint32_t dqt_port_baud(uint32_t baud);

/* Sends what is still in the UART, then gives the line that rate. `baud`: DQT_UART_BAUD, or what dqt_port_baud() did
 * not answer with 0. */
void dqt_port_set_baud(uint32_t baud);

/* Called when there is nothing to read: may sleep until something arrives, flushes what is buffered. */
void dqt_port_wait(void);

/* Free-running counter in the board's own ticks (boards/<id>.toml: counter). Wraps at dqt_port_counter_mask + 1. */
uint64_t dqt_port_counter(void);
extern const uint64_t dqt_port_counter_mask;

/* Only where the board has a trigger (DQT_BOARD_TRIGGER_PIN is defined): drives that pin high (1) or low (0).
 * dqt_port_init() leaves it low. */
void dqt_port_trigger(uint32_t high);

/* Only where the board has a watchdog (DQT_BOARD_WATCHDOG_MS is defined): lets it wait for another such time before it
 * restarts the device. dqt_port_init() starts it. Never called from an interrupt. */
void dqt_port_feed(void);

/* Sends what is still in the UART, then restarts the device; does not return. */
void dqt_port_reset(void) __attribute__((noreturn));

typedef enum {
    DQT_IMAGE_WHOLE,
    DQT_IMAGE_DAMAGED,
    DQT_IMAGE_UNSEALED, /* not known: the build wrote no CRC, or there is no flash */
} dqt_image_state;

/* Whether the program in flash is undamaged. Takes 9 to 17 instructions a byte of it. */
dqt_image_state dqt_port_check_image(void);

/* Why the program started, and the last fault. What the build writes into one image says nothing about another. */
typedef struct {
    uint32_t cause;     /* DQT_RESTART_... of dqt_messages.h */
    uint32_t faults;    /* since power-on, as far as is known; 0: none, and what follows says nothing */
    uint32_t exception; /* its number: 2 NMI, 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault, ... */
    uint32_t status;    /* CFSR; 0 on Armv6-M, which has none */
    uint32_t pc, lr;
    uint32_t place; /* what the watched word held */
} dqt_restart;

/* What is known of the last restart and of the last fault; never NULL. All 0 where nothing is (native). */
const dqt_restart *dqt_port_restart(void);

/* Names the word that a record of a fault is to hold: in it the app says what it is doing. A static variable. */
void dqt_port_watch(const uint32_t *word);

/* Bytes of stack ever used, by the paint that start-up left; 0 where it is not known (native). */
uint32_t dqt_port_stack_used(void);

#endif
