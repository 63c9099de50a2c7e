/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * States: what a model keeps in the arena from one inference to the next. Linked only if a model has some. */
#include "dqt_tables.h"

void dqt_set_states(const dqt_model *model, uint8_t *arena, dqt_moment moment) {
    uint8_t *mark = arena + model->arena_size - DQT_MARK_SIZE;
    uint32_t equal = 0;
    while (equal < DQT_MARK_SIZE && mark[equal] == model->hash[equal]) {
        ++equal;
    }
    if (moment == DQT_BEFORE && equal == DQT_MARK_SIZE) {
        return;
    }
    for (uint32_t i = 0; i < model->states->count; ++i) {
        const dqt_state *state = &model->states->list[i];
        uint32_t *read = (uint32_t *)(void *)(arena + state->read);
        const uint32_t *write = (const uint32_t *)(const void *)(arena + state->write);
        for (uint32_t k = 0; k < state->words; ++k) {
            read[k] = moment == DQT_BEHIND ? write[k] : state->fill;
        }
    }
    for (uint32_t i = equal; i < DQT_MARK_SIZE; ++i) {
        mark[i] = model->hash[i];
    }
}
