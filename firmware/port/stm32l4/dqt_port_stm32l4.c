/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * STM32L4 (ST RM0351), L4+ (RM0432) and G4 (RM0440), whose RCC, PWR and FLASH have the registers used here at the same
 * places. Sections are those of RM0351 unless another manual is named. The core runs from HSI16 through the PLL.
 * The board's constants: reset_hz (of the core after reset), pll_m, pll_n, wait_hz (Hz that each wait state of flash is
 * good for), boost (1: above 80 or 150 MHz, in range 1 boost mode), vddio2 (1: the pins need that supply), and usart
 * (0: LPUART1, or 1, 2, 3) with usart_fifo, gpio_port (0: A), tx, rx, af; trigger_port and trigger_pin, if there is a
 * trigger; watchdog_ms, if there is a watchdog. */
#include "dqt_board.h"
#include "dqt_dwt.h"

/* 40.8, USART; 41.7, LPUART; 6.4.19 to 6.4.21, their clocks */
#if DQT_BOARD_USART == 1
#define DQT_USART 0x40013800u
#define USART_CLOCK DQT_REG(0x40021060u) /* RCC_APB2ENR */
#define USART_CLOCK_EN (1u << 14)
#elif DQT_BOARD_USART == 2
#define DQT_USART 0x40004400u
#define USART_CLOCK DQT_REG(0x40021058u) /* RCC_APB1ENR1 */
#define USART_CLOCK_EN (1u << 17)
#elif DQT_BOARD_USART == 3
#define DQT_USART 0x40004800u
#define USART_CLOCK DQT_REG(0x40021058u)
#define USART_CLOCK_EN (1u << 18)
#elif DQT_BOARD_USART == 0
#define DQT_USART 0x40008000u
#define USART_CLOCK DQT_REG(0x4002105Cu) /* RCC_APB1ENR2 */
#define USART_CLOCK_EN (1u << 0)
#else
#error "constants.usart must be 0, 1, 2 or 3"
#endif
#define DQT_USART_FIFO DQT_BOARD_USART_FIFO
#define DQT_USART_LOW_POWER (DQT_BOARD_USART == 0)
#include "dqt_stm32_usart.h"

/* 6.4, RCC */
#define RCC_CR DQT_REG(0x40021000u)
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR DQT_REG(0x40021008u)
#define RCC_CFGR_SW_MASK (3u << 0)
#define RCC_CFGR_SW_PLL (3u << 0)
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (3u << 2)
#define RCC_CFGR_HPRE_MASK (15u << 4)
#define RCC_CFGR_HPRE_DIV2 (8u << 4)
#define RCC_PLLCFGR DQT_REG(0x4002100Cu)
#define RCC_PLLCFGR_SRC_HSI16 (2u << 0)
#define RCC_PLLCFGR_M(m) (((m) - 1u) << 4)
#define RCC_PLLCFGR_N(n) ((n) << 8)
#define RCC_PLLCFGR_REN (1u << 24) /* PLLR 0: by 2 */
#define RCC_AHB2ENR DQT_REG(0x4002104Cu)
#define RCC_APB1ENR1 DQT_REG(0x40021058u)
#define RCC_APB1ENR1_PWREN (1u << 28)
#define RCC_CSR DQT_REG(0x40021094u)
#define RCC_CSR_RMVF (1u << 23)
#define RCC_CSR_BORRSTF (1u << 27)

#define DQT_GPIO 0x48000000u
#define DQT_GPIO_CLOCK RCC_AHB2ENR
#include "dqt_stm32_trigger.h"

#define DQT_IWDG 0x40003000u
#include "dqt_stm32_watchdog.h"

/* 5.4, PWR; CR5 is in RM0432 and RM0440 only */
#define PWR_CR2 DQT_REG(0x40007004u)
#define PWR_CR2_IOSV (1u << 9)
#define PWR_CR5 DQT_REG(0x40007080u)
#define PWR_CR5_R1MODE (1u << 8) /* 0: boost */

/* 3.7.1, FLASH */
#define FLASH_ACR DQT_REG(0x40022000u)
#define FLASH_ACR_LATENCY_MASK 15u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

#define HSI16_HZ 16000000u
_Static_assert(HSI16_HZ / DQT_BOARD_PLL_M * DQT_BOARD_PLL_N / 2u == DQT_CORE_HZ, "pll_m and pll_n do not give cpu.hz");
#define WAIT_STATES ((DQT_CORE_HZ - 1u) / DQT_BOARD_WAIT_HZ) /* 3.3.3: read access latency */

/* Hz of the core, for a debugger: DQT_CORE_HZ, or that after reset if an oscillator, the PLL or flash did not answer.
 */
volatile uint32_t dqt_clock_hz = DQT_BOARD_RESET_HZ;

static int start_pll(void) {
    RCC_CR |= RCC_CR_HSION;
    if (!dqt_wait(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return 0;
    }
    RCC_PLLCFGR =
        RCC_PLLCFGR_SRC_HSI16 | RCC_PLLCFGR_M(DQT_BOARD_PLL_M) | RCC_PLLCFGR_N(DQT_BOARD_PLL_N) | RCC_PLLCFGR_REN;
    RCC_CR |= RCC_CR_PLLON;
    return dqt_wait(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

/* Voltage range 1 is that after reset. */
static int to_pll(void) {
    FLASH_ACR = WAIT_STATES | FLASH_ACR_ICEN | FLASH_ACR_DCEN | FLASH_ACR_PRFTEN;
    if (!dqt_wait(&FLASH_ACR, FLASH_ACR_LATENCY_MASK, WAIT_STATES)) { /* read back before the clock rises, 3.3.3 */
        return 0;
    }
    if (DQT_BOARD_BOOST) { /* RM0432 and RM0440, dynamic voltage scaling: the AHB at half its clock for a microsecond */
        PWR_CR5 &= ~PWR_CR5_R1MODE;
        RCC_CFGR |= RCC_CFGR_HPRE_DIV2;
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW_MASK) | RCC_CFGR_SW_PLL;
    if (!dqt_wait(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL)) {
        return 0;
    }
    for (uint32_t i = 0; i < 100u; i++) { /* at 85 MHz at most: over a microsecond */
        (void)RCC_CFGR;
    }
    RCC_CFGR &= ~RCC_CFGR_HPRE_MASK;
    return 1;
}

void dqt_port_init(void) {
    dqt_cortexm_started(dqt_reset_cause(&RCC_CSR, RCC_CSR_RMVF, RCC_CSR_BORRSTF));
    RCC_APB1ENR1 |= RCC_APB1ENR1_PWREN;
    (void)RCC_APB1ENR1; /* two cycles until the clock arrives */
    const uint32_t switches = RCC_CFGR & RCC_CFGR_SW_MASK;
    if (start_pll() && to_pll()) {
        dqt_clock_hz = DQT_CORE_HZ;
    } else {
        RCC_CFGR = switches;
    }
    if (DQT_BOARD_VDDIO2) {
        PWR_CR2 |= PWR_CR2_IOSV; /* 5.4.2: ports at VDDIO2 are cut off until then */
    }
    RCC_AHB2ENR |= 1u << DQT_BOARD_GPIO_PORT;
    USART_CLOCK |= USART_CLOCK_EN;
    (void)USART_CLOCK;
    const uint32_t port = DQT_GPIO + 0x400u * DQT_BOARD_GPIO_PORT;
    dqt_alternate_pin(port, DQT_BOARD_TX, DQT_BOARD_AF);
    dqt_alternate_pin(port, DQT_BOARD_RX, DQT_BOARD_AF);
    dqt_usart_start(dqt_clock_hz);
    dqt_trigger_start();
    dqt_dwt_init();
    dqt_watchdog_start();
}
