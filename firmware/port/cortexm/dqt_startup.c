/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Vector table, start-up and fault handling of every Cortex-M port. The linker script gives the __ symbols. */
#include "dqt_cortexm.h"
#include "dqt_messages.h"
#include "dqt_port.h"

#define STACK_PAINT 0x5AC3A53Cu /* not a repeated byte: no code or counter leaves it by accident */

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define SCB_AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define SCB_CCR (*(volatile uint32_t *)0xE000ED14u)
#define SCB_CFSR (*(volatile uint32_t *)0xE000ED28u)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CORE_DHCSR (*(volatile uint32_t *)0xE000EDF0u)

#define AIRCR_RESET 0x05FA0004u /* VECTKEY, SYSRESETREQ */
#define CCR_LOB (1u << 19)      /* Armv8.1-M: loop and branch cache, without which LE does not loop */
#define CPACR_FPU (0xFu << 20)  /* full access to CP10 and CP11: FPU and MVE */
#define DHCSR_DEBUGGER 1u       /* C_DEBUGEN */

#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
#define HAS_STACK_LIMIT 1
#else
#define HAS_STACK_LIMIT 0
#endif

extern uint32_t __stack_bottom[], __stack_top[];
extern const uint32_t __data_load[];
extern uint32_t __data_start[], __data_end[], __bss_start[], __bss_end[];

extern int main(void);

void dqt_reset_handler(void) __attribute__((noreturn));
void dqt_fault(void);
void dqt_fault_report(const uint32_t *frame) __attribute__((noreturn, used));

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} dqt_vector;

#define VECTOR_COUNT 16u /* none of the chip's interrupts is ever taken */

/* By CMSIS's names, so that an application that needs them may define them. Unexpected ones are faults. */
void SVC_Handler(void) __attribute__((weak, alias("dqt_fault")));
void PendSV_Handler(void) __attribute__((weak, alias("dqt_fault")));
void SysTick_Handler(void) __attribute__((weak, alias("dqt_fault")));

__attribute__((section(".vectors"), used)) static const dqt_vector dqt_vectors[VECTOR_COUNT] = {
    {.stack = __stack_top}, {.handler = dqt_reset_handler}, {.handler = dqt_fault},      {.handler = dqt_fault},
    {.handler = dqt_fault}, {.handler = dqt_fault},         {.handler = dqt_fault},      {.handler = dqt_fault},
    {.handler = dqt_fault}, {.handler = dqt_fault},         {.handler = dqt_fault},      {.handler = SVC_Handler},
    {.handler = dqt_fault}, {.handler = dqt_fault},         {.handler = PendSV_Handler}, {.handler = SysTick_Handler},
};

static void barrier(void) {
    __asm__ volatile("dsb\n\tisb" : : : "memory");
}

/* volatile: the compiler may make a call of none of these loops, which would run on the stack being painted. */
static void fill(volatile uint32_t *from, const volatile uint32_t *end, uint32_t value) {
    while (from < end) {
        *from = value;
        from++;
    }
}

void dqt_reset_handler(void) {
    uint32_t *stack;
    __asm__ volatile("mov %0, sp" : "=r"(stack));
    fill(__stack_bottom, stack, STACK_PAINT);
    const volatile uint32_t *source = __data_load;
    for (volatile uint32_t *to = __data_start; to < __data_end; to++) {
        *to = *source;
        source++;
    }
    fill(__bss_start, __bss_end, 0);

    SCB_VTOR = (uint32_t)dqt_vectors; /* a boot loader may have used its own table */
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= CPACR_FPU;
#endif
#if defined(__ARM_ARCH_8_1M_MAIN__) || defined(__ARM_FEATURE_MVE) /* gcc 12 calls Cortex-M55 an Armv8-M */
    SCB_CCR |= CCR_LOB;
#endif
#if HAS_STACK_LIMIT
    __asm__ volatile("msr msplim, %0" : : "r"(__stack_bottom)); /* an overflow faults instead of overwriting data */
#endif
    barrier();
    dqt_cortexm_protect();
    (void)main();
    dqt_cortexm_reset();
}

uint32_t dqt_port_stack_used(void) {
    const volatile uint32_t *word = __stack_bottom;
    while (word < __stack_top && *word == STACK_PAINT) {
        word++;
    }
    return (uint32_t)(__stack_top - word) * 4u;
}

static void restart(void) __attribute__((noreturn));

static void restart(void) {
    barrier();
    SCB_AIRCR = AIRCR_RESET;
    barrier();
    for (;;) {
    }
}

void dqt_cortexm_reset(void) {
    dqt_cortexm_keep_cause(DQT_RESTART_REQUEST);
    restart();
}

/* Passes the faulting stack pointer on, from a fresh stack: the old one may be what overflowed. */
__attribute__((naked)) void dqt_fault(void) {
    __asm__ volatile("mov r0, sp\n\t"
#if HAS_STACK_LIMIT
                     "movs r1, #0\n\t"
                     "msr msplim, r1\n\t"
#endif
                     "ldr r1, =__stack_top\n\t"
                     "mov sp, r1\n\t"
                     "ldr r1, =dqt_fault_report\n\t"
                     "bx r1\n\t"
                     ".ltorg");
}

void dqt_fault_report(const uint32_t *frame) {
    /* r0-r3, r12, lr, pc, xPSR. On the fresh stack this function's own data may lie over it, so it is read first. */
    dqt_fault_info info = {.sp = (uint32_t)frame};
    if (frame >= __stack_bottom && frame < __stack_top && frame + 8 <= __stack_top) {
        info.lr = frame[5];
        info.pc = frame[6];
    }
    __asm__ volatile("mrs %0, ipsr" : "=r"(info.exception));
#if __ARM_ARCH >= 7
    info.cfsr = SCB_CFSR;
#endif
    dqt_cortexm_keep_fault(&info);
    dqt_port_fault(&info);
}

void dqt_cortexm_fault(void) {
    if ((CORE_DHCSR & DHCSR_DEBUGGER) != 0) {
        __asm__ volatile("bkpt 0");
    }
    restart();
}
