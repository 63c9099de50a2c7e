/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * States: what a model keeps in the arena from one inference to the next. */
#include "dqt_model.h"

static uint8_t *mark_of(const dqt_model *model, void *arena) {
    return (uint8_t *)arena + model->arena_size - DQT_MARK_SIZE;
}

dqt_status dqt_reset(const dqt_model *model, void *arena) {
    if (model == NULL || arena == NULL || ((uintptr_t)arena & 7u) != 0u) {
        return DQT_BAD_ARGUMENT;
    }
    for (uint32_t i = 0; i < model->state_count; ++i) {
        const dqt_state *state = &model->states[i];
        uint32_t *read = (uint32_t *)(void *)((uint8_t *)arena + state->read);
        for (uint32_t k = 0; k < state->words; ++k) {
            read[k] = state->fill;
        }
    }
    for (uint32_t i = 0; model->state_count > 0u && i < DQT_MARK_SIZE; ++i) {
        mark_of(model, arena)[i] = model->hash[i];
    }
    return DQT_OK;
}

void dqt_begin_states(const dqt_model *model, void *arena) {
    const uint8_t *mark = mark_of(model, arena);
    for (uint32_t i = 0; i < DQT_MARK_SIZE; ++i) {
        if (mark[i] != model->hash[i]) {
            (void)dqt_reset(model, arena);
            return;
        }
    }
}

void dqt_keep_states(const dqt_model *model, uint8_t *arena) {
    for (uint32_t i = 0; i < model->state_count; ++i) {
        const dqt_state *state = &model->states[i];
        uint32_t *read = (uint32_t *)(void *)(arena + state->read);
        const uint32_t *write = (const uint32_t *)(const void *)(arena + state->write);
        for (uint32_t k = 0; k < state->words; ++k) {
            read[k] = write[k];
        }
    }
}
