/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * STM32F405, F407 and F446. Sections are those of ST RM0090 (F405, F407); where RM0390 (F446) differs, it is named.
 * The board's constants: hse_hz, hse_bypass (1: a clock, 0: a crystal), overdrive (1: the chip has it), and usart (1,
 * 2, 3 or 6) with gpio_port (0: A), tx, rx, af; trigger_port and trigger_pin, if there is a trigger; watchdog_ms, if
 * there is a watchdog. */
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_dwt.h"
#include "dqt_port.h"
#include "dqt_stm32.h"

/* 7.3, RCC */
#define RCC_CR DQT_REG(0x40023800u)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR DQT_REG(0x40023804u)
#define RCC_PLLCFGR_MASK 0x0F437FFFu /* PLLQ, PLLSRC, PLLP, PLLN, PLLM */
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
#define RCC_CFGR DQT_REG(0x40023808u)
#define RCC_CFGR_SW_PLL (2u << 0)
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_CFGR_PPRE1_DIV4 (5u << 10)
#define RCC_CFGR_PPRE2_DIV2 (4u << 13)
#define RCC_AHB1ENR DQT_REG(0x40023830u)
#define RCC_APB1ENR DQT_REG(0x40023840u)
#define RCC_APB1ENR_PWREN (1u << 28)
#define RCC_APB2ENR DQT_REG(0x40023844u)
#define RCC_CSR DQT_REG(0x40023874u)
#define RCC_CSR_RMVF (1u << 24)
#define RCC_CSR_POWER (1u << 25 | 1u << 27) /* BORRSTF, PORRSTF */

/* 5.4.1 and 5.4.2, PWR; over-drive: RM0390 5.4 */
#define PWR_CR DQT_REG(0x40007000u)
#if DQT_BOARD_OVERDRIVE
#define PWR_CR_VOS_SCALE1 (3u << 14)
#else
#define PWR_CR_VOS_SCALE1 (1u << 14)
#endif
#define PWR_CR_ODEN (1u << 16)
#define PWR_CR_ODSWEN (1u << 17)
#define PWR_CSR DQT_REG(0x40007004u)
#define PWR_CSR_ODRDY (1u << 16)
#define PWR_CSR_ODSWRDY (1u << 17)

/* 3.9.1, FLASH */
#define FLASH_ACR DQT_REG(0x40023C00u)
#define FLASH_ACR_LATENCY_MASK 7u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

#define DQT_GPIO 0x40020000u
#define DQT_GPIO_CLOCK RCC_AHB1ENR
#include "dqt_stm32_trigger.h"

#define DQT_IWDG 0x40003000u
#include "dqt_stm32_watchdog.h"

/* 30.6, USART; 7.3.13 and 7.3.14 for its clock */
#if DQT_BOARD_USART == 1
#define USART_BASE 0x40011000u
#define USART_ENABLE (1u << 4)
#elif DQT_BOARD_USART == 6
#define USART_BASE 0x40011400u
#define USART_ENABLE (1u << 5)
#elif DQT_BOARD_USART == 2
#define USART_BASE 0x40004400u
#define USART_ENABLE (1u << 17)
#elif DQT_BOARD_USART == 3
#define USART_BASE 0x40004800u
#define USART_ENABLE (1u << 18)
#else
#error "constants.usart must be 1, 2, 3 or 6"
#endif
#define ON_APB2 (DQT_BOARD_USART == 1 || DQT_BOARD_USART == 6)
#define USART_SR DQT_REG(USART_BASE + 0x00u)
#define USART_SR_ORE (1u << 3)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART_DR DQT_REG(USART_BASE + 0x04u)
#define USART_BRR DQT_REG(USART_BASE + 0x08u)
#define USART_CR1 DQT_REG(USART_BASE + 0x0Cu)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_UE (1u << 13)

/* 7.3.2: 2 MHz at the PLL's input, as the manual advises against jitter; its oscillator at twice the core's clock. */
#define PLL_INPUT_HZ 2000000u
#define PLL_M (DQT_BOARD_HSE_HZ / PLL_INPUT_HZ)
#define PLL_N (2u * DQT_CORE_HZ / PLL_INPUT_HZ)
_Static_assert(DQT_BOARD_HSE_HZ % PLL_INPUT_HZ == 0 && PLL_M >= 2u && PLL_M <= 63u, "hse_hz must be 4, 6 .. 126 MHz");
_Static_assert(PLL_N >= 96u && PLL_N <= 216u, "the PLL's oscillator runs at 192 to 432 MHz");
_Static_assert(DQT_CORE_HZ <= (DQT_BOARD_OVERDRIVE ? 180000000u : 168000000u), "faster than the chip");

#define WAIT_STATES ((DQT_CORE_HZ - 1u) / 30000000u) /* 3.5.1, table 10: one for each 30 MHz, at 2.7 to 3.6 V */
#define HSI_HZ 16000000u

/* Hz of the core, for a debugger: DQT_CORE_HZ, or that of HSI if an oscillator, the PLL or the flash did not answer. */
volatile uint32_t dqt_clock_hz = HSI_HZ;

static int start_pll(void) {
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR; /* 7.3.14: a peripheral may be used two cycles after its clock was enabled */
    PWR_CR |= PWR_CR_VOS_SCALE1;
    if (DQT_BOARD_HSE_BYPASS) {
        RCC_CR |= RCC_CR_HSEBYP; /* to be set while HSE is off */
    }
    RCC_CR |= RCC_CR_HSEON;
    if (!dqt_wait(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return 0;
    }
    const uint32_t q = 8; /* of the 48 MHz domain, which stays unused: within its limits */
    RCC_PLLCFGR = (RCC_PLLCFGR & ~RCC_PLLCFGR_MASK) | q << 24 | RCC_PLLCFGR_SRC_HSE | PLL_N << 6 | PLL_M; /* P: by 2 */
    RCC_CR |= RCC_CR_PLLON;
#if DQT_BOARD_OVERDRIVE /* RM0390 5.1.4 */
    PWR_CR |= PWR_CR_ODEN;
    if (!dqt_wait(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY)) {
        return 0;
    }
    PWR_CR |= PWR_CR_ODSWEN;
    if (!dqt_wait(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY)) {
        return 0;
    }
#endif
    return dqt_wait(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

static int to_pll(void) {
    FLASH_ACR = WAIT_STATES | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    if (!dqt_wait(&FLASH_ACR, FLASH_ACR_LATENCY_MASK, WAIT_STATES)) { /* 3.5.1: read back before the clock rises */
        return 0;
    }
    RCC_CFGR |= RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2; /* before the switch, so that no bus is ever too fast */
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    return dqt_wait(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL);
}

static uint32_t bus_hz; /* of the USART */

/* Hz of the USART's bus. */
static uint32_t start_clock(void) {
    if (start_pll() && to_pll()) {
        dqt_clock_hz = DQT_CORE_HZ;
        return DQT_CORE_HZ / (ON_APB2 ? 2u : 4u);
    }
    RCC_CFGR = 0; /* HSI, nothing divided */
    return HSI_HZ;
}

/* 30.3.4, 16 samples a bit. The USART is off. */
static void set_usart(uint32_t baud) {
    USART_BRR = dqt_divided(bus_hz, baud);
    USART_CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE;
}

static void start_usart(void) {
    RCC_AHB1ENR |= 1u << DQT_BOARD_GPIO_PORT;
    if (ON_APB2) {
        RCC_APB2ENR |= USART_ENABLE;
        (void)RCC_APB2ENR;
    } else {
        RCC_APB1ENR |= USART_ENABLE;
        (void)RCC_APB1ENR;
    }
    const uint32_t port = DQT_GPIO + 0x400u * DQT_BOARD_GPIO_PORT;
    dqt_alternate_pin(port, DQT_BOARD_TX, DQT_BOARD_AF);
    dqt_alternate_pin(port, DQT_BOARD_RX, DQT_BOARD_AF);
    set_usart(DQT_UART_BAUD);
}

void dqt_port_init(void) {
    dqt_cortexm_started(dqt_reset_cause(&RCC_CSR, RCC_CSR_RMVF, RCC_CSR_POWER));
    bus_hz = start_clock();
    start_usart();
    dqt_trigger_start();
    dqt_dwt_init();
    dqt_watchdog_start();
}

int dqt_port_read(void) {
    const uint32_t status = USART_SR;
    if ((status & USART_SR_ORE) != 0) {
        (void)USART_DR; /* ends the overrun, which would stop reception; the CRC finds the gap */
        return -1;
    }
    return (status & USART_SR_RXNE) != 0 ? (int)(USART_DR & 0xFFu) : -1;
}

int dqt_port_can_write(void) {
    return (USART_SR & USART_SR_TXE) != 0 ? 1 : 0;
}

void dqt_port_write(uint8_t byte) {
    USART_DR = byte;
}

uint32_t dqt_port_baud(uint32_t baud) {
    const uint32_t divider = dqt_divided(bus_hz, baud);
    return divider < 16u ? 0u : dqt_divided(bus_hz, divider);
}

void dqt_port_set_baud(uint32_t baud) {
    (void)dqt_wait(&USART_SR, USART_SR_TC, USART_SR_TC);
    USART_CR1 &= ~USART_CR1_UE;
    set_usart(baud);
}

/* Nothing to flush, and no sleep: only an interrupt would end it. */
void dqt_port_wait(void) {
}

void dqt_port_reset(void) {
    (void)dqt_wait(&USART_SR, USART_SR_TC, USART_SR_TC);
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    (void)info; /* for a debugger */
    dqt_cortexm_fault();
}
