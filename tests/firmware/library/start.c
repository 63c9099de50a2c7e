/* Start-up, text and end of a bare image in QEMU: nothing of the project's own port. */
#include <stddef.h>
#include <stdint.h>

#include "start.h"

extern uint32_t stack_top[], data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_load[];

static void semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void print(const char *text) {
    semihost(0x04u, text);
}

void stop(void) {
    static const uint32_t reason[2] = {0x20026u, 0u};
    semihost(0x20u, reason);
    for (;;) {
    }
}

/* What a compiler may call without being asked; no C library is linked. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

__attribute__((used, noinline)) void *memcpy(void *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

__attribute__((used, noinline)) void *memset(void *to, int value, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

static void fault(void) {
    print("fault\n");
    stop();
}

void reset(void);
__attribute__((weak)) void on_pendsv(void) {
    fault();
}
__attribute__((weak)) void on_systick(void) {
    fault();
}

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top}, {.handler = reset}, {.handler = fault},     {.handler = fault},
    {.handler = fault},   {.handler = fault}, {.handler = fault},     {.handler = fault},
    {.handler = fault},   {.handler = fault}, {.handler = fault},     {.handler = fault},
    {.handler = fault},   {.handler = fault}, {.handler = on_pendsv}, {.handler = on_systick},
};

void reset(void) {
    const volatile uint32_t *from = data_load;
    for (volatile uint32_t *to = data_start; to < data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = bss_start; to < bss_end; ++to) {
        *to = 0;
    }
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" : : : "memory");
#endif
    run_tests();
    stop();
}
