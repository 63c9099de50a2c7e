/* STM32F405: USART1 and TIM2 after ST RM0090, which the section numbers refer to. The core stays on the HSI oscillator,
 * 16 MHz, on which it starts (7.2.2), and so do both APB buses. */
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_fixed_baud.h"
#include "dqt_port.h"
#include "dqt_semihosting.h"
#include "f405_registers.h"

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

void dqt_port_init(void) {
    RCC->ahb1enr |= RCC_AHB1ENR_GPIOA;
    RCC->apb1enr |= RCC_APB1ENR_TIM2;
    RCC->apb2enr |= RCC_APB2ENR_USART1;
    (void)RCC->apb2enr; /* 7.3.14: a peripheral may be used two cycles after its clock was enabled */

    GPIOA->afrh = (GPIOA->afrh & ~0xFF0u) | 0x770u;             /* PA9, PA10: AF7 */
    GPIOA->moder = (GPIOA->moder & ~(0xFu << 18)) | 0xAu << 18; /* alternate function */

    USART1->brr = (DQT_CORE_HZ + DQT_UART_BAUD / 2u) / DQT_UART_BAUD; /* 30.3.4, oversampling by 16 */
    USART1->cr1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE;

    TIM2->psc = TICK_DIVIDER - 1u;
    TIM2->arr = 0xFFFFFFFFu;
    TIM2->egr = TIM_EGR_UG; /* takes over the divider, clears the counter */
    TIM2->cr1 = TIM_CR1_CEN;
}

int dqt_port_read(void) {
    return (USART1->sr & USART_SR_RXNE) != 0 ? (int)(USART1->dr & 0xFFu) : -1;
}

int dqt_port_can_write(void) {
    return (USART1->sr & USART_SR_TXE) != 0;
}

void dqt_port_write(uint8_t byte) {
    USART1->dr = byte;
}

void dqt_port_wait(void) {
}

uint64_t dqt_port_counter(void) {
    return TIM2->cnt;
}

void dqt_port_reset(void) {
    while ((USART1->sr & USART_SR_TC) == 0) {
    }
    dqt_cortexm_reset();
}

/* For an emulated machine; on silicon it would be dqt_cortexm_fault(). */
void dqt_port_fault(const dqt_fault_info *info) {
    dqt_semihosting_fault(info);
}
