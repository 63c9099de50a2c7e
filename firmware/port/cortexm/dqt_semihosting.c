#include "dqt_semihosting.h"

/* Arm, "Semihosting for AArch32 and AArch64". */
#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define STOPPED_RUN_TIME_ERROR 0x20023u

static void call(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char *label, uint32_t value) {
    static const char digits[] = "0123456789abcdef";
    char text[9];
    for (uint32_t i = 0; i < 8u; i++) {
        text[i] = digits[(value >> (28u - 4u * i)) & 15u];
    }
    text[8] = '\0';
    call(SYS_WRITE0, label);
    call(SYS_WRITE0, text);
}

void dqt_semihosting_fault(const dqt_fault_info *info) {
    print("dqt: fault, exception 0x", info->exception);
    print(" at pc 0x", info->pc);
    print(", lr 0x", info->lr);
    print(", sp 0x", info->sp);
    print(", cfsr 0x", info->cfsr);
    call(SYS_WRITE0, "\n");
    const uint32_t reason[2] = {STOPPED_RUN_TIME_ERROR, 1};
    call(SYS_EXIT_EXTENDED, reason);
    for (;;) {
    }
}
