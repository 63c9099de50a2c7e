/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What a program leaves for the next one: why it restarted, and where it faulted. Kept in RAM that start-up does not
 * write, behind a CRC, so that what RAM holds after power-on is not taken for a record. */
#include "dqt_cortexm.h"
#include "dqt_crc32.h"
#include "dqt_messages.h"
#include "dqt_port.h"

#define SCB_CCR (*(volatile uint32_t *)0xE000ED14u)
#define SCB_DCCMVAC (*(volatile uint32_t *)0xE000EF68u) /* cleans the line of an address from the data cache */
#define CCR_DC (1u << 16)
#define CACHE_LINE 32u

extern const uint32_t __bss_start[], __bss_end[];

/* The linker script puts it outside of what start-up clears. */
static struct {
    dqt_restart content;
    uint32_t crc; /* begun with that of the image: what another image left says nothing about this one */
} kept __attribute__((section(".bss.dqt_kept"), aligned(8)));

static struct {
    dqt_restart found; /* at start-up */
    const uint32_t *watched;
    uint32_t cause; /* what the port knows of it */
    uint32_t taken; /* found has been filled */
} now;

static uint32_t crc_of_kept(void) {
    return dqt_crc32(dqt_cortexm_image_crc(), (const uint8_t *)&kept.content, sizeof kept.content);
}

/* Also out of the data cache, which a restart empties without writing it back. */
static void seal(void) {
    kept.crc = crc_of_kept();
#if __ARM_ARCH >= 7
    if ((SCB_CCR & CCR_DC) != 0u) {
        __asm__ volatile("dsb" : : : "memory");
        for (uint32_t at = (uint32_t)&kept; at < (uint32_t)&kept + sizeof kept + CACHE_LINE; at += CACHE_LINE) {
            SCB_DCCMVAC = at;
        }
    }
#endif
    __asm__ volatile("dsb" : : : "memory");
}

static void forget(void) {
    kept.content = (dqt_restart){.cause = DQT_RESTART_UNKNOWN, .place = DQT_FAULT_OUTSIDE};
    seal();
}

void dqt_cortexm_started(uint32_t cause) {
    if (cause == DQT_RESTART_POWER) {
        forget(); /* without having read it: RAM with ECC may answer with a fault before it was written */
    }
    now.cause = cause;
}

const dqt_restart *dqt_port_restart(void) {
    if (now.taken == 0u) {
        now.taken = 1;
        if (kept.crc != crc_of_kept()) {
            forget();
        }
        now.found = kept.content;
        if (now.found.cause == DQT_RESTART_UNKNOWN) {
            now.found.cause = now.cause;
        }
        kept.content.cause = DQT_RESTART_UNKNOWN; /* of a restart that nobody announces: reset button, watchdog */
        seal();
    }
    return &now.found;
}

void dqt_port_watch(const uint32_t *word) {
    now.watched = word;
}

void dqt_cortexm_keep_cause(uint32_t cause) {
    (void)dqt_port_restart(); /* or what an earlier image left would be sealed */
    kept.content.cause = cause;
    seal();
}

void dqt_cortexm_keep_fault(const dqt_fault_info *info) {
    (void)dqt_port_restart();
    kept.content.faults++;
    kept.content.exception = info->exception;
    kept.content.status = info->cfsr;
    kept.content.pc = info->pc;
    kept.content.lr = info->lr;
    /* The fault may come from a damaged variable: what points elsewhere is not followed. */
    const uint32_t *watched = now.watched;
    const uint32_t sound = watched >= __bss_start && watched < __bss_end && ((uint32_t)watched & 3u) == 0u;
    kept.content.place = sound ? *watched : DQT_FAULT_OUTSIDE;
    dqt_cortexm_keep_cause(DQT_RESTART_FAULT);
}
