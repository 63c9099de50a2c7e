/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * RM0433: power supply at start-up 6.4.1, VOS0 6.6.2, wait states table 17, PLL 8.5.5, system clock 8.5.6. */
#include "dqt_h7_clock.h"

#include "dqt_h7_registers.h"

#define APB1_HZ_INTERNAL 32000000u
#define APB1_HZ_FULL 120000000u

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

static dqt_h7_clock_status start_pll(void) {
    DQT_RCC_CR |= DQT_RCC_CR_HSEBYP; /* a clock, not a crystal; to be set while HSE is off */
    DQT_RCC_CR |= DQT_RCC_CR_HSEON;
    if (!dqt_h7_wait(&DQT_RCC_CR, DQT_RCC_CR_HSERDY, DQT_RCC_CR_HSERDY, HSE_POLLS)) {
        return DQT_H7_CLOCK_NO_HSE;
    }
    /* 8 MHz / 1 * 120 = 960 MHz in the wide VCO (PLL1VCOSEL 0), / 2 = 480 MHz. Outputs Q and R stay off. */
    DQT_RCC_PLLCKSELR = DQT_RCC_PLLCKSELR_PLLSRC_HSE | DQT_RCC_PLLCKSELR_DIVM1(1);
    DQT_RCC_PLLCFGR = DQT_RCC_PLLCFGR_PLL1RGE_8_16MHZ | DQT_RCC_PLLCFGR_DIVP1EN;
    DQT_RCC_PLL1DIVR =
        DQT_RCC_PLL1DIVR_DIVN1(120) | DQT_RCC_PLL1DIVR_DIVP1(2) | DQT_RCC_PLL1DIVR_DIVQ1(2) | DQT_RCC_PLL1DIVR_DIVR1(2);
    DQT_RCC_CR |= DQT_RCC_CR_PLL1ON;
    if (!poll(&DQT_RCC_CR, DQT_RCC_CR_PLL1RDY, DQT_RCC_CR_PLL1RDY)) {
        return DQT_H7_CLOCK_NO_PLL;
    }
    return DQT_H7_CLOCK_FULL;
}

static dqt_h7_clock_status to_pll(void) {
    /* 240 MHz AXI at VOS0: 4 wait states, programming delay 2. Before the clock rises, and read back. */
    const uint32_t acr = DQT_FLASH_ACR_LATENCY(4) | DQT_FLASH_ACR_WRHIGHFREQ(2);
    DQT_FLASH_ACR = acr;
    if (!poll(&DQT_FLASH_ACR, 0x3Fu, acr)) {
        return DQT_H7_CLOCK_NO_FLASH;
    }
    /* Core 480, AXI and AHB 240, every APB 120 MHz. Before the switch, so that no bus is ever too fast. */
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
