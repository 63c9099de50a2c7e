/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What all Cortex-M ports share: start-up, memory functions, reset, stack measurement, records of faults.
 * The port beside it provides dqt_port.h's functions, except dqt_port_stack_used(), dqt_port_check_image(),
 * dqt_port_restart() and dqt_port_watch(). */
#ifndef DQT_CORTEXM_H
#define DQT_CORTEXM_H

#include <stdint.h>

/* Restarts core and peripherals. A port's dqt_port_reset() first lets its UART send its last bits. */
void dqt_cortexm_reset(void) __attribute__((noreturn));

/* What is known about a fault. */
typedef struct {
    uint32_t exception; /* IPSR: 2 NMI, 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault, ... */
    uint32_t cfsr;      /* SCB->CFSR; 0 on Armv6-M, which has none */
    uint32_t sp;        /* where the exception frame was stacked */
    uint32_t pc;        /* of the faulting instruction; 0 where sp is outside the stack */
    uint32_t lr;
} dqt_fault_info;

/* For the port to define: called for every exception, none of which is expected. */
void dqt_port_fault(const dqt_fault_info *info) __attribute__((noreturn));

/* For a port that knows why its chip started: calls it first of all in dqt_port_init(), with a DQT_RESTART_... of
 * dqt_messages.h. */
void dqt_cortexm_started(uint32_t cause);

/* What start-up and reset leave for the next program: the cause of the restart that follows, and a fault. */
void dqt_cortexm_keep_cause(uint32_t cause);
void dqt_cortexm_keep_fault(const dqt_fault_info *info);

/* Called by start-up, before dqt_port_init(): code area read-only, SRAM area without execution, by regions 1 and 2 of
 * the core's memory protection unit, if it has one. Region 0 is left to the port. */
void dqt_cortexm_protect(void);

/* CRC-32 of the image as the build wrote it, whether or not flash still holds that. */
uint32_t dqt_cortexm_image_crc(void);

/* What a port on silicon does then: stops for a debugger if one is connected, and otherwise restarts, so that the
 * host's next request is answered. */
void dqt_cortexm_fault(void) __attribute__((noreturn));

#endif
