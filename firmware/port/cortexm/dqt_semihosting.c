/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_semihosting.h"

static void print(const char *label, uint32_t value) {
    dqt_semihosting_text(label);
    dqt_semihosting_word(value);
}

void dqt_semihosting_fault(const dqt_fault_info *info) {
    print("dqt: fault, exception 0x", info->exception);
    print(" at pc 0x", info->pc);
    print(", lr 0x", info->lr);
    print(", sp 0x", info->sp);
    print(", cfsr 0x", info->cfsr);
    dqt_semihosting_text("\n");
    dqt_semihosting_leave(DQT_SEMIHOSTING_RUN_TIME_ERROR, 1);
}
