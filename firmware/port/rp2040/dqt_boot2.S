/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * RP2040's second stage of booting: the boot ROM copies these 256 bytes to RAM, compares the CRC in the last four, and
 * runs them (RP2040 Datasheet 2.8.1.2). They set the flash interface up for reads of code (4.10, SSI) and start what lies
 * behind them. Every serial flash knows command 03h; it is read at a fourth of the core's clock, where 50 MHz are
 * allowed (Winbond W25Q16JV, AC characteristics, fR). */
    .syntax unified
    .thumb
    .equ SSI, 0x18000000
    .equ CTRLR0, 0x00
    .equ CTRLR1, 0x04
    .equ SSIENR, 0x08
    .equ BAUDR, 0x14
    .equ SPI_CTRLR0, SSI + 0xF4
    .equ DIVIDER, 4
    .equ FRAME_32_BITS, 31 << 16
    .equ EEPROM_READ, 3 << 8
    .equ COMMAND_READ, 0x03 << 24
    .equ INSTRUCTION_8_BITS, 2 << 8
    .equ ADDRESS_24_BITS, 6 << 2
    .equ VECTORS, 0x10000100
    .equ VTOR, 0xE000ED08

    .section .boot2, "ax", %progbits
    .global dqt_boot2
    .type dqt_boot2, %function
    .thumb_func
dqt_boot2:
    ldr r3, =SSI
    movs r0, #0
    str r0, [r3, #SSIENR]
    movs r1, #DIVIDER
    str r1, [r3, #BAUDR]
    ldr r1, =FRAME_32_BITS + EEPROM_READ
    str r1, [r3, #CTRLR0]
    str r0, [r3, #CTRLR1]
    ldr r1, =COMMAND_READ + INSTRUCTION_8_BITS + ADDRESS_24_BITS
    ldr r2, =SPI_CTRLR0
    str r1, [r2]
    movs r0, #1
    str r0, [r3, #SSIENR]
    ldr r0, =VECTORS
    ldr r1, =VTOR
    str r0, [r1]
    ldr r1, [r0, #0]
    mov sp, r1
    ldr r1, [r0, #4]
    bx r1
    .ltorg
    .org 252
    .word 0xD9366659 /* CRC-32 (polynomial 0x04C11DB7, from all ones, most significant bit first) of the 252 bytes */
    .size dqt_boot2, 256

#if defined(__clang__) /* whose own objects say so too; beside those of GCC, which do not, the linker would warn */
    .section .note.GNU-stack, "", %progbits
#endif
