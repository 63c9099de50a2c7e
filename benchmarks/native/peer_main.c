/* Runs a peer's network between marks: once round nothing, then twice round an inference; prints the output's CRC-32.
 *
 * PEER_HEADER is the generated header; PEER_INFER, PEER_INPUT, PEER_OUTPUT and PEER_ARENA are the function and sizes.
 */
#include <stdint.h>

#include PEER_HEADER

#include "dqt_semihosting.h"
#include "rig_start.h"

extern uint32_t __data_start[], __data_end[], __bss_start[], __bss_end[];
extern const uint32_t __data_load[];

static __attribute__((aligned(16))) uint8_t arena[PEER_ARENA + 16u];
static int8_t input[PEER_INPUT], output[PEER_OUTPUT];

void reset(void) __attribute__((noreturn));
void begin_region(void);
void end_region(void);

__attribute__((noinline)) void begin_region(void) {
    __asm__ volatile("nop" : : : "memory");
}

__attribute__((noinline)) void end_region(void) {
    __asm__ volatile("nop" : : : "memory");
}

static void fault(void) {
    dqt_semihosting_text("fault\n");
    dqt_semihosting_leave(DQT_SEMIHOSTING_APPLICATION_EXIT, 1);
}

RIG_VECTORS(reset, fault);

static uint32_t crc32(const int8_t *data, uint32_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < size; ++i) {
        crc ^= (uint8_t)data[i];
        for (uint32_t bit = 0; bit < 8u; ++bit) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

void reset(void) {
    rig_start_core();
    const volatile uint32_t *from = __data_load;
    for (volatile uint32_t *to = __data_start; to < __data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = __bss_start; to < __bss_end; ++to) {
        *to = 0;
    }
    for (uint32_t i = 0; i < PEER_INPUT; ++i) {
        input[i] = (int8_t)(uint8_t)((i * 0x9E3779B1u) >> 24);
    }
    begin_region();
    end_region();
    for (uint32_t turn = 0; turn < 2u; ++turn) {
        begin_region();
        PEER_INFER(PEER_ARENA != 0u ? arena : (uint8_t *)0, input, output);
        end_region();
    }
    dqt_semihosting_word(crc32(output, PEER_OUTPUT));
    dqt_semihosting_text("\n");
    dqt_semihosting_leave(DQT_SEMIHOSTING_APPLICATION_EXIT, 0);
}
