/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * STM32H743, RM0433: power supply at start-up 6.4.1, VOS0 6.6.2, wait states table 17, PLL 8.5.5, system clock 8.5.6.
 * STM32H735, RM0468: the chapters of the same names; what differs is told apart by the board's constant `chip`. */
#include "dqt_h7_clock.h"

#include "dqt_board.h"
#include "dqt_h7_registers.h"

#define APB1_HZ_INTERNAL 32000000u
#define APB1_HZ_FULL (DQT_CORE_HZ / 4u)

#if DQT_BOARD_CHIP == 743
#define CORE_HZ_MAX 480000000u /* revision V at VOS0 */
#define P_MULTIPLE 2u          /* 8.7.11: DIVP1 is even */
#define LATENCY 4              /* 240 MHz AXI at VOS0: 4 wait states, programming delay 2 */
#define DELAY 2
#elif DQT_BOARD_CHIP == 735
#define CORE_HZ_MAX 520000000u /* VOS0; 550 MHz needs the option byte CPUFREQ_BOOST */
#define P_MULTIPLE 1u
#define LATENCY 3 /* above 210 MHz AXI at VOS0: 3 wait states, programming delay 3 */
#define DELAY 3
#else
#error "constants.chip must be 743 or 735"
#endif

#define PLL_INPUT_HZ (DQT_BOARD_HSE_HZ / DQT_BOARD_PLL_M)
#define PLL_VCO_HZ (PLL_INPUT_HZ * DQT_BOARD_PLL_N)
#define PLL_RANGE (PLL_INPUT_HZ < 2000000u ? 0u : PLL_INPUT_HZ < 4000000u ? 1u : PLL_INPUT_HZ < 8000000u ? 2u : 3u)
_Static_assert(PLL_VCO_HZ / DQT_BOARD_PLL_P == DQT_CORE_HZ, "pll_m, pll_n and pll_p do not give cpu.hz");
_Static_assert(DQT_BOARD_PLL_P % P_MULTIPLE == 0u, "the chip cannot divide by pll_p");
_Static_assert(PLL_INPUT_HZ >= 1000000u && PLL_INPUT_HZ <= 16000000u, "the PLL's input is 1 to 16 MHz");
_Static_assert(PLL_VCO_HZ >= 192000000u && PLL_VCO_HZ <= 960000000u, "the wide VCO runs at 192 to 960 MHz");
_Static_assert(DQT_CORE_HZ <= CORE_HZ_MAX, "faster than the chip");

/* At power-on the ST-LINK is still starting while this core already runs: its clock gets about 0.2 s. */
#define HSE_POLLS 1000000u

volatile dqt_h7_clock_status dqt_h7_clock_outcome;

int dqt_h7_wait(volatile const uint32_t *address, uint32_t mask, uint32_t wanted, uint32_t polls) {
    for (uint32_t i = 0; i < polls; i++) {
        if ((*address & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

static int poll(volatile const uint32_t *address, uint32_t mask, uint32_t wanted) {
    return dqt_h7_wait(address, mask, wanted, DQT_H7_POLLS);
}

/* After a reset this is so already; a debugger or a boot loader may have left the PLL in use. */
static void to_internal_oscillator(void) {
    DQT_RCC_CR |= DQT_RCC_CR_HSION;
    (void)poll(&DQT_RCC_CR, DQT_RCC_CR_HSIRDY, DQT_RCC_CR_HSIRDY);
    DQT_RCC_CR &= ~DQT_RCC_CR_HSIDIV_MASK;
    DQT_RCC_CFGR = (DQT_RCC_CFGR & ~DQT_RCC_CFGR_SW_MASK) | DQT_RCC_CFGR_SW_HSI;
    (void)poll(&DQT_RCC_CFGR, DQT_RCC_CFGR_SWS_MASK, DQT_RCC_CFGR_SWS_HSI);
    DQT_RCC_CR &= ~DQT_RCC_CR_PLL1ON;
    (void)poll(&DQT_RCC_CR, DQT_RCC_CR_PLL1RDY, 0);
    /* Core, AXI and AHB 64 MHz; every APB 32 MHz, because VOS3 allows no more than 50 there (DS12110, general
     * operating conditions) and a failure may leave the core voltage at VOS3. */
    DQT_RCC_D1CFGR = DQT_RCC_D1CFGR_D1PPRE_DIV2;
    DQT_RCC_D2CFGR = DQT_RCC_D2CFGR_D2PPRE1_DIV2 | DQT_RCC_D2CFGR_D2PPRE2_DIV2;
    DQT_RCC_D3CFGR = DQT_RCC_D3CFGR_D3PPRE_DIV2;
}

#if DQT_BOARD_CHIP == 743
static dqt_h7_clock_status raise_core_voltage(void) {
    const uint32_t supply = DQT_PWR_CR3_BYPASS | DQT_PWR_CR3_LDOEN | DQT_PWR_CR3_SCUEN;
    /* The supply can be written once after power-on; later resets find it locked, and the voltage scale may only
     * be changed once it is. */
    if ((DQT_PWR_CR3 & DQT_PWR_CR3_SCUEN) != 0) {
        DQT_PWR_CR3 = (DQT_PWR_CR3 & ~supply) | DQT_PWR_CR3_LDOEN;
    }
    if (!poll(&DQT_PWR_CSR1, DQT_PWR_CSR1_ACTVOSRDY, DQT_PWR_CSR1_ACTVOSRDY)) {
        return DQT_H7_CLOCK_NO_SUPPLY;
    }
    DQT_PWR_D3CR = (DQT_PWR_D3CR & ~DQT_PWR_D3CR_VOS_MASK) | DQT_PWR_D3CR_VOS1;
    if (!poll(&DQT_PWR_D3CR, DQT_PWR_D3CR_VOSRDY, DQT_PWR_D3CR_VOSRDY)) {
        return DQT_H7_CLOCK_NO_VOS1;
    }
    DQT_RCC_APB4ENR |= DQT_RCC_APB4ENR_SYSCFGEN;
    (void)DQT_RCC_APB4ENR; /* two bus cycles until the clock arrives, RM0433 8.5.13 */
    DQT_SYSCFG_PWRCR |= DQT_SYSCFG_PWRCR_ODEN;
    if (!poll(&DQT_PWR_D3CR, DQT_PWR_D3CR_VOSRDY, DQT_PWR_D3CR_VOSRDY)) {
        return DQT_H7_CLOCK_NO_VOS0;
    }
    return DQT_H7_CLOCK_FULL;
}
#else
static dqt_h7_clock_status raise_core_voltage(void) {
    const uint32_t supply = DQT_PWR_CR3_BYPASS | DQT_PWR_CR3_LDOEN | DQT_PWR_CR3_SMPSEN;
    /* The supply can be written once after power-on, when it reads as regulator and converter both on. If it reads
     * otherwise, a boot loader or an earlier start has set it: it stays as it is. */
    if ((DQT_PWR_CR3 & supply) == (DQT_PWR_CR3_LDOEN | DQT_PWR_CR3_SMPSEN)) {
        DQT_PWR_CR3 = (DQT_PWR_CR3 & ~supply) | DQT_PWR_CR3_SMPSEN; /* the core is fed by the converter alone */
    }
    if (!poll(&DQT_PWR_CSR1, DQT_PWR_CSR1_ACTVOSRDY, DQT_PWR_CSR1_ACTVOSRDY)) {
        return DQT_H7_CLOCK_NO_SUPPLY;
    }
    DQT_PWR_D3CR = DQT_PWR_D3CR & ~DQT_PWR_D3CR_VOS_MASK; /* 0: VOS0 */
    if (!poll(&DQT_PWR_D3CR, DQT_PWR_D3CR_VOSRDY, DQT_PWR_D3CR_VOSRDY)) {
        return DQT_H7_CLOCK_NO_VOS0;
    }
    return DQT_H7_CLOCK_FULL;
}
#endif

static dqt_h7_clock_status start_pll(void) {
    if (DQT_BOARD_HSE_BYPASS) {
        DQT_RCC_CR |= DQT_RCC_CR_HSEBYP; /* a clock, not a crystal; to be set while HSE is off */
    }
    DQT_RCC_CR |= DQT_RCC_CR_HSEON;
    if (!dqt_h7_wait(&DQT_RCC_CR, DQT_RCC_CR_HSERDY, DQT_RCC_CR_HSERDY, HSE_POLLS)) {
        return DQT_H7_CLOCK_NO_HSE;
    }
    /* In the wide VCO (PLL1VCOSEL 0). Outputs Q and R stay off. */
    DQT_RCC_PLLCKSELR = DQT_RCC_PLLCKSELR_PLLSRC_HSE | DQT_RCC_PLLCKSELR_DIVM1(DQT_BOARD_PLL_M);
    DQT_RCC_PLLCFGR = DQT_RCC_PLLCFGR_PLL1RGE(PLL_RANGE) | DQT_RCC_PLLCFGR_DIVP1EN;
    DQT_RCC_PLL1DIVR = DQT_RCC_PLL1DIVR_DIVN1(DQT_BOARD_PLL_N) | DQT_RCC_PLL1DIVR_DIVP1(DQT_BOARD_PLL_P) |
                       DQT_RCC_PLL1DIVR_DIVQ1(2) | DQT_RCC_PLL1DIVR_DIVR1(2);
    DQT_RCC_CR |= DQT_RCC_CR_PLL1ON;
    if (!poll(&DQT_RCC_CR, DQT_RCC_CR_PLL1RDY, DQT_RCC_CR_PLL1RDY)) {
        return DQT_H7_CLOCK_NO_PLL;
    }
    return DQT_H7_CLOCK_FULL;
}

static dqt_h7_clock_status to_pll(void) {
    /* Before the clock rises, and read back. */
    const uint32_t acr = DQT_FLASH_ACR_LATENCY(LATENCY) | DQT_FLASH_ACR_WRHIGHFREQ(DELAY);
    DQT_FLASH_ACR = acr;
    if (!poll(&DQT_FLASH_ACR, 0x3Fu, acr)) {
        return DQT_H7_CLOCK_NO_FLASH;
    }
    /* AXI and AHB at half, every APB at a quarter of the core's clock. Before the switch, so that no bus is ever too
     * fast. */
    DQT_RCC_D1CFGR = DQT_RCC_D1CFGR_HPRE_DIV2 | DQT_RCC_D1CFGR_D1PPRE_DIV2;
    DQT_RCC_CFGR = (DQT_RCC_CFGR & ~DQT_RCC_CFGR_SW_MASK) | DQT_RCC_CFGR_SW_PLL1;
    if (!poll(&DQT_RCC_CFGR, DQT_RCC_CFGR_SWS_MASK, DQT_RCC_CFGR_SWS_PLL1)) {
        return DQT_H7_CLOCK_NO_SWITCH;
    }
    return DQT_H7_CLOCK_FULL;
}

uint32_t dqt_h7_clock_init(void) {
    to_internal_oscillator();
    dqt_h7_clock_status status = raise_core_voltage();
    if (status == DQT_H7_CLOCK_FULL) {
        status = start_pll();
    }
    if (status == DQT_H7_CLOCK_FULL) {
        status = to_pll();
    }
    dqt_h7_clock_outcome = status;
    if (status != DQT_H7_CLOCK_FULL) {
        to_internal_oscillator(); /* wait states are at least those of 64 MHz whichever step failed */
        return APB1_HZ_INTERNAL;
    }
    return APB1_HZ_FULL;
}
