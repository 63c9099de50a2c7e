/* A last word through the debugger or emulator. Without one, the BKPT itself faults: for emulated machines only. */
#ifndef DQT_SEMIHOSTING_H
#define DQT_SEMIHOSTING_H

#include "dqt_cortexm.h"

/* Prints the fault and ends the emulation with exit status 1. */
void dqt_semihosting_fault(const dqt_fault_info *info) __attribute__((noreturn));

#endif
