/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The registers of the STM32H743 and STM32H735 that this port touches: addresses and bits, nothing else.
 * Section numbers are those of ST RM0433 (rev. 8) unless another document is named. The registers of the STM32H735 (ST
 * RM0468) lie at the same places. */
#ifndef DQT_H7_REGISTERS_H
#define DQT_H7_REGISTERS_H

#include <stdint.h>

#include "dqt_register.h"

/* FLASH interface, section 4.9 */
#define DQT_FLASH_ACR DQT_REG(0x52002000u)
#define DQT_FLASH_ACR_LATENCY(n) ((uint32_t)(n) << 0)
#define DQT_FLASH_ACR_WRHIGHFREQ(n) ((uint32_t)(n) << 4)

/* PWR, section 6.8 */
#define DQT_PWR_CSR1 DQT_REG(0x58024804u)
#define DQT_PWR_CSR1_ACTVOSRDY (1u << 13)
#define DQT_PWR_CR3 DQT_REG(0x5802480Cu)
#define DQT_PWR_CR3_BYPASS (1u << 0)
#define DQT_PWR_CR3_LDOEN (1u << 1)
#define DQT_PWR_CR3_SCUEN (1u << 2)
#define DQT_PWR_CR3_SMPSEN (1u << 2) /* of the STM32H735, in the place of SCUEN */
#define DQT_PWR_D3CR DQT_REG(0x58024818u)
#define DQT_PWR_D3CR_VOSRDY (1u << 13)
#define DQT_PWR_D3CR_VOS_MASK (3u << 14)
#define DQT_PWR_D3CR_VOS1 (3u << 14)

/* SYSCFG, section 12.3: ODEN lifts VOS1 to VOS0 */
#define DQT_SYSCFG_PWRCR DQT_REG(0x5800042Cu)
#define DQT_SYSCFG_PWRCR_ODEN (1u << 0)

/* IWDG1, section 46.4 */
#define DQT_IWDG 0x58004800u

/* RCC, section 8.7 */
#define DQT_RCC_CR DQT_REG(0x58024400u)
#define DQT_RCC_CR_HSION (1u << 0)
#define DQT_RCC_CR_HSIRDY (1u << 2)
#define DQT_RCC_CR_HSIDIV_MASK (3u << 3)
#define DQT_RCC_CR_HSEON (1u << 16)
#define DQT_RCC_CR_HSERDY (1u << 17)
#define DQT_RCC_CR_HSEBYP (1u << 18)
#define DQT_RCC_CR_PLL1ON (1u << 24)
#define DQT_RCC_CR_PLL1RDY (1u << 25)
#define DQT_RCC_CFGR DQT_REG(0x58024410u)
#define DQT_RCC_CFGR_SW_MASK (7u << 0)
#define DQT_RCC_CFGR_SW_HSI (0u << 0)
#define DQT_RCC_CFGR_SW_PLL1 (3u << 0)
#define DQT_RCC_CFGR_SWS_MASK (7u << 3)
#define DQT_RCC_CFGR_SWS_HSI (0u << 3)
#define DQT_RCC_CFGR_SWS_PLL1 (3u << 3)
#define DQT_RCC_RSR DQT_REG(0x580244D0u)            /* 8.7.39: flags of every reset since they were cleared */
#define DQT_RCC_RSR_RMVF (1u << 16)                 /* clears them */
#define DQT_RCC_RSR_POWER ((1u << 21) | (1u << 23)) /* BORRSTF, PORRSTF */
#define DQT_RCC_RSR_PIN (1u << 22)
#define DQT_RCC_RSR_SOFTWARE (1u << 24)
#define DQT_RCC_RSR_WATCHDOG ((1u << 26) | (1u << 28)) /* IWDG1RSTF, WWDG1RSTF */
#define DQT_RCC_D1CFGR DQT_REG(0x58024418u)
#define DQT_RCC_D1CFGR_HPRE_DIV2 (8u << 0)
#define DQT_RCC_D1CFGR_D1PPRE_DIV2 (4u << 4)
#define DQT_RCC_D2CFGR DQT_REG(0x5802441Cu)
#define DQT_RCC_D2CFGR_D2PPRE1_DIV2 (4u << 4)
#define DQT_RCC_D2CFGR_D2PPRE2_DIV2 (4u << 8)
#define DQT_RCC_D3CFGR DQT_REG(0x58024420u)
#define DQT_RCC_D3CFGR_D3PPRE_DIV2 (4u << 4)
#define DQT_RCC_PLLCKSELR DQT_REG(0x58024428u)
#define DQT_RCC_PLLCKSELR_PLLSRC_HSE (2u << 0)
#define DQT_RCC_PLLCKSELR_DIVM1(m) ((uint32_t)(m) << 4)
#define DQT_RCC_PLLCFGR DQT_REG(0x5802442Cu)
#define DQT_RCC_PLLCFGR_PLL1RGE(range) ((range) << 2) /* 0: 1 to 2 MHz, 1: to 4, 2: to 8, 3: to 16 */
#define DQT_RCC_PLLCFGR_DIVP1EN (1u << 16)
#define DQT_RCC_PLL1DIVR DQT_REG(0x58024430u)
#define DQT_RCC_PLL1DIVR_DIVN1(n) ((uint32_t)((n) - 1) << 0)
#define DQT_RCC_PLL1DIVR_DIVP1(p) ((uint32_t)((p) - 1) << 9)
#define DQT_RCC_PLL1DIVR_DIVQ1(q) ((uint32_t)((q) - 1) << 16)
#define DQT_RCC_PLL1DIVR_DIVR1(r) ((uint32_t)((r) - 1) << 24)
#define DQT_RCC_D2CCIP2R DQT_REG(0x58024454u)
#define DQT_RCC_D2CCIP2R_USART234578SEL_MASK (7u << 0) /* 0: APB1 clock */
#define DQT_RCC_AHB4ENR DQT_REG(0x580244E0u)
#define DQT_RCC_APB1LENR DQT_REG(0x580244E8u)
#define DQT_RCC_APB1LENR_USART3EN (1u << 18)
#define DQT_RCC_APB4ENR DQT_REG(0x580244F4u)
#define DQT_RCC_APB4ENR_SYSCFGEN (1u << 1)

/* GPIO, section 11.4 */
#define DQT_GPIO 0x58020000u
#define DQT_GPIO_CLOCK DQT_RCC_AHB4ENR
#define DQT_GPIO_MODER(base) DQT_REG((base) + 0x00u)
#define DQT_GPIO_MODE_OUTPUT 1u
#define DQT_GPIO_BSRR(base) DQT_REG((base) + 0x18u)

/* USART3, section 48.7; bits of ISR in FIFO mode */
#define DQT_USART3_CR1 DQT_REG(0x40004800u)
#define DQT_USART_CR1_UE (1u << 0)
#define DQT_USART_CR1_RE (1u << 2)
#define DQT_USART_CR1_TE (1u << 3)
#define DQT_USART_CR1_FIFOEN (1u << 29)
#define DQT_USART3_CR2 DQT_REG(0x40004804u)
#define DQT_USART3_CR3 DQT_REG(0x40004808u)
#define DQT_USART3_BRR DQT_REG(0x4000480Cu)
#define DQT_USART3_ISR DQT_REG(0x4000481Cu)
#define DQT_USART_ISR_ERRORS 0x0Fu /* PE, FE, NE, ORE; the same bits of ICR clear them */
#define DQT_USART_ISR_RXFNE (1u << 5)
#define DQT_USART_ISR_TC (1u << 6)
#define DQT_USART_ISR_TXFNF (1u << 7)
#define DQT_USART_ISR_TEACK (1u << 21)
#define DQT_USART_ISR_REACK (1u << 22)
#define DQT_USART3_ICR DQT_REG(0x40004820u)
#define DQT_USART3_RDR DQT_REG(0x40004824u)
#define DQT_USART3_TDR DQT_REG(0x40004828u)
#define DQT_USART3_PRESC DQT_REG(0x4000482Cu)

/* Cortex-M7: Armv7-M Architecture Reference Manual DDI0403E, B3.2 and B3.5, C1.6 and C1.8; DDI0489 for the caches.
 * DWT_LAR: CoreSight software lock, which the Cortex-M7 implements. */
#define DQT_SCB_CCR DQT_REG(0xE000ED14u)
#define DQT_SCB_CCR_DC (1u << 16)
#define DQT_SCB_CCR_IC (1u << 17)
#define DQT_SCB_CCSIDR DQT_REG(0xE000ED80u)
#define DQT_SCB_CSSELR DQT_REG(0xE000ED84u)
#define DQT_SCB_ICIALLU DQT_REG(0xE000EF50u)
#define DQT_SCB_DCISW DQT_REG(0xE000EF60u)
#define DQT_MPU_CTRL DQT_REG(0xE000ED94u)
#define DQT_MPU_CTRL_ENABLE (1u << 0)
#define DQT_MPU_CTRL_PRIVDEFENA (1u << 2)
#define DQT_MPU_RNR DQT_REG(0xE000ED98u)
#define DQT_MPU_RBAR DQT_REG(0xE000ED9Cu)
#define DQT_MPU_RASR DQT_REG(0xE000EDA0u)
#define DQT_DEMCR DQT_REG(0xE000EDFCu)
#define DQT_DEMCR_TRCENA (1u << 24)
#define DQT_DWT_CTRL DQT_REG(0xE0001000u)
#define DQT_DWT_CTRL_CYCCNTENA (1u << 0)
#define DQT_DWT_CYCCNT DQT_REG(0xE0001004u)
#define DQT_DWT_LAR DQT_REG(0xE0001FB0u)
#define DQT_DWT_LAR_KEY 0xC5ACCE55u

#endif
