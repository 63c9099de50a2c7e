/* What the bare images of the benchmarks share: the vector table's entries, and the core's extensions. */
#ifndef RIG_START_H
#define RIG_START_H

#include <stdint.h>

#define RIG_CPACR (*(volatile uint32_t *)0xE000ED88u)
#define RIG_CCR (*(volatile uint32_t *)0xE000ED14u)

extern uint32_t __stack_top[];

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} rig_vector;

/* Stack, reset, and what every exception does. */
#define RIG_VECTORS(reset, fault)                                                                                      \
    __attribute__((section(".vectors"), used)) static const rig_vector vectors[16] = {                                 \
        {.stack = __stack_top}, {.handler = (reset)}, {.handler = (fault)}, {.handler = (fault)},                      \
        {.handler = (fault)},   {.handler = (fault)}, {.handler = (fault)}, {.handler = (fault)},                      \
        {.handler = (fault)},   {.handler = (fault)}, {.handler = (fault)}, {.handler = (fault)},                      \
        {.handler = (fault)},   {.handler = (fault)}, {.handler = (fault)}, {.handler = (fault)},                      \
    }

static inline void rig_start_core(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    RIG_CPACR |= 0xFu << 20;
#endif
#if defined(__ARM_ARCH_8_1M_MAIN__) || defined(__ARM_FEATURE_MVE) /* gcc 12 calls Cortex-M55 an Armv8-M */
    RIG_CCR |= 1u << 19;                                          /* without it LE does not loop */
#endif
#if __ARM_ARCH == 6 || defined(RIG_TRAP_UNALIGNED)
    RIG_CCR |= 1u << 3; /* UNALIGN_TRP. Armv6-M code on an Armv7-M core: unaligned accesses fault here too */
#endif
    __asm__ volatile("dsb\n\tisb" : : : "memory");
}

#endif
