/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Memory protection, where the core has a unit for it: what lies in the architecture's code area, flash and what is at
 * address 0, cannot be written, and what lies in its SRAM area cannot be executed. So a wild pointer faults, and is
 * told, instead of changing the program. All else stays as the default map has it, memory attributes included: code is
 * cached with writes going through, SRAM with writes kept and allocated. MPU registers: Armv6-M DDI0419E B3.5, v7-M
 * DDI0403E B3.5, v8-M DDI0553B D1.2. */
#include "dqt_cortexm.h"
#include "dqt_register.h"

#define MPU_TYPE DQT_REG(0xE000ED90u)
#define MPU_CTRL DQT_REG(0xE000ED94u)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_RNR DQT_REG(0xE000ED98u)
#define MPU_RBAR DQT_REG(0xE000ED9Cu)
#define MPU_RASR DQT_REG(0xE000EDA0u) /* on Armv8-M: MPU_RLAR */
#define MPU_MAIR0 DQT_REG(0xE000EDC0u)

#define CODE 0x00000000u
#define SRAM 0x20000000u
#define AREA_SIZE 0x20000000u
#define CODE_REGION 1u /* 0 is a port's own, over which these count */
#define SRAM_REGION 2u

extern const uint32_t __bss_start[];

#if __ARM_ARCH >= 8
#define READ_ONLY (2u << 1)
#define EXECUTE_NEVER 1u
#define MAIR_CODE 0xAAu
#define MAIR_SRAM (0xFFu << 8)

static void set_region(uint32_t number, uint32_t start, uint32_t rights) {
    MPU_RNR = number;
    MPU_RBAR = start | rights;
    MPU_RASR = (start + AREA_SIZE - 32u) | (number - CODE_REGION) << 1 | 1u; /* the index in MPU_MAIR0; enabled */
}
#else
#define READ_ONLY (6u << 24 | 1u << 17) /* C */
#if __ARM_ARCH >= 7
#define ALLOCATE (1u << 19) /* TEX 1 */
#else
#define ALLOCATE 0u /* Armv6-M has no TEX */
#endif
#define EXECUTE_NEVER (1u << 28 | 3u << 24 | ALLOCATE | 3u << 16) /* C, B; written by all */
#define SIZE_512_MB (28u << 1)

static void set_region(uint32_t number, uint32_t start, uint32_t rights) {
    MPU_RNR = number;
    MPU_RBAR = start;
    MPU_RASR = rights | SIZE_512_MB | 1u;
}
#endif

void dqt_cortexm_protect(void) {
    const uint32_t regions = MPU_TYPE >> 8 & 0xFFu;
    const uint32_t runs_from_flash = (uint32_t)&dqt_cortexm_protect < SRAM && (uint32_t)__bss_start >= SRAM;
    if (regions == 0u || runs_from_flash == 0u) {
        return; /* no unit; or program and RAM lie in one area */
    }
    __asm__ volatile("dmb" : : : "memory");
    MPU_CTRL = 0;
    for (uint32_t number = 0; number < regions; number++) { /* those of a boot loader */
        MPU_RNR = number;
        MPU_RASR = 0;
    }
#if __ARM_ARCH >= 8
    MPU_MAIR0 = MAIR_CODE | MAIR_SRAM;
#endif
    set_region(CODE_REGION, CODE, READ_ONLY);
    set_region(SRAM_REGION, SRAM, EXECUTE_NEVER);
    MPU_CTRL = MPU_CTRL_PRIVDEFENA | MPU_CTRL_ENABLE;
    __asm__ volatile("dsb\n\tisb" : : : "memory");
}
