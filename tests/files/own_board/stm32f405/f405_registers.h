/* The registers of the STM32F405 that the port uses. Addresses: ST RM0090 section 2.3, table 1. */
#ifndef F405_REGISTERS_H
#define F405_REGISTERS_H

#include <stdint.h>

/* 7.3, from RCC_AHB1ENR (7.3.10) on. */
typedef struct {
    volatile uint32_t ahb1enr;
    volatile uint32_t ahb2enr;
    volatile uint32_t ahb3enr;
    volatile uint32_t reserved;
    volatile uint32_t apb1enr; /* 7.3.13 */
    volatile uint32_t apb2enr; /* 7.3.14 */
} f405_rcc;

#define RCC ((f405_rcc *)(0x40023800u + 0x30u))
#define RCC_AHB1ENR_GPIOA (1u << 0)
#define RCC_APB1ENR_TIM2 (1u << 0)
#define RCC_APB2ENR_USART1 (1u << 4)

/* 8.4 */
typedef struct {
    volatile uint32_t moder;
    volatile uint32_t unused[8];
    volatile uint32_t afrh; /* pins 8 to 15 */
} f405_gpio;

#define GPIOA ((f405_gpio *)0x40020000u)

/* 30.6 */
typedef struct {
    volatile uint32_t sr;
    volatile uint32_t dr;
    volatile uint32_t brr;
    volatile uint32_t cr1;
} f405_usart;

#define USART1 ((f405_usart *)0x40011000u)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_UE (1u << 13)

/* 18.4: TIM2 counts with 32 bits. */
typedef struct {
    volatile uint32_t cr1;
    volatile uint32_t unused_cr2[4];
    volatile uint32_t egr; /* at 0x14 */
    volatile uint32_t unused_ccmr[3];
    volatile uint32_t cnt; /* at 0x24 */
    volatile uint32_t psc;
    volatile uint32_t arr;
} f405_timer;

#define TIM2 ((f405_timer *)0x40000000u)
#define TIM_CR1_CEN (1u << 0)
#define TIM_EGR_UG (1u << 0)
#define TICK_DIVIDER 32u /* netduinoplus2.toml: counter */

#endif
