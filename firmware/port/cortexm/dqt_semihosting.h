/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Words to, and an end by, the debugger or emulator (Arm, "Semihosting for AArch32 and AArch64"). Without one, the BKPT
 * itself faults: for emulated machines only. */
#ifndef DQT_SEMIHOSTING_H
#define DQT_SEMIHOSTING_H

#include "dqt_cortexm.h"

#define DQT_SEMIHOSTING_WRITE0 0x04u /* text that ends with 0 */
#define DQT_SEMIHOSTING_EXIT_EXTENDED 0x20u
#define DQT_SEMIHOSTING_RUN_TIME_ERROR 0x20023u
#define DQT_SEMIHOSTING_APPLICATION_EXIT 0x20026u

static inline void dqt_semihosting_call(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static inline void dqt_semihosting_text(const char *text) {
    dqt_semihosting_call(DQT_SEMIHOSTING_WRITE0, text);
}

/* Eight hexadecimal digits. */
static inline void dqt_semihosting_word(uint32_t value) {
    static const char digits[] = "0123456789abcdef";
    char text[9];
    for (uint32_t i = 0; i < 8u; i++) {
        text[i] = digits[(value >> (28u - 4u * i)) & 15u];
    }
    text[8] = '\0';
    dqt_semihosting_text(text);
}

/* Ends the emulation. */
__attribute__((noreturn)) static inline void dqt_semihosting_leave(uint32_t why, uint32_t status) {
    const uint32_t reason[2] = {why, status};
    dqt_semihosting_call(DQT_SEMIHOSTING_EXIT_EXTENDED, reason);
    for (;;) {
    }
}

/* Prints the fault and ends the emulation with exit status 1. */
void dqt_semihosting_fault(const dqt_fault_info *info) __attribute__((noreturn));

#endif
