/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Runs a model's layers. No model-dependent number is compiled in here, so that code sizes can be predicted. */
#include "dqt_tables.h"

/* What runs beside the kernels keeps its variables out of the stack frame below which the kernels run. */
#define BESIDE __attribute__((noinline))

/* In 64 bits, because a bias may be any number. */
BESIDE void dqt_choose(const dqt_model *model, uint8_t *arena, const int32_t *bias) {
    const int32_t *logits = (const int32_t *)(const void *)(arena + model->logits);
    for (uint32_t i = 0; i < model->adaptive_count; ++i) {
        uint32_t best = 0;
        int64_t most = INT64_MIN;
        for (uint32_t k = 0; k < model->candidate_max; ++k) {
            const int64_t value = (int64_t)logits[k] + (bias != NULL ? bias[k] : 0);
            if (value > most) {
                most = value;
                best = k;
            }
        }
        arena[model->choices + i] = (uint8_t)best;
        logits += model->candidate_max;
    }
}

BESIDE bool dqt_take_choices(const dqt_model *model, uint8_t *arena, const uint8_t *given) {
    uint32_t position = 0;
    for (uint32_t i = 0; i < model->layer_count; ++i) {
        const dqt_layer *layer = &model->layers[i];
        if (layer->adaptive && given[position++] >= layer->width_count) {
            return false;
        }
    }
    for (uint32_t i = 0; i < model->adaptive_count; ++i) {
        arena[model->choices + i] = given[i];
    }
    return true;
}

BESIDE uint32_t dqt_index_of_largest(const uint8_t *codes, uint32_t size) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < size; ++i) {
        if (codes[i] > codes[best]) {
            best = i;
        }
    }
    return best;
}

uint8_t *dqt_input(const dqt_model *model, void *arena) {
    return (uint8_t *)arena + model->inputs[0].offset;
}

dqt_status dqt_reset(const dqt_model *model, void *arena) {
    if (!dqt_is_complete(model, arena)) {
        return DQT_BAD_ARGUMENT;
    }
    if (model->states != NULL) {
        model->states->set(model, arena, DQT_ANEW);
    }
    return DQT_OK;
}

dqt_status dqt_run(const dqt_model *model, void *arena, const dqt_options *options, dqt_result *result) {
    static const dqt_options none = {0};
    if (!dqt_is_complete(model, arena)) {
        return DQT_BAD_ARGUMENT;
    }
    const dqt_options *how = options != NULL ? options : &none;
    const bool given = how->choices != NULL;
    uint8_t *const tensors = arena;
    if (!given && model->adaptive_count > 0u && model->decide_at == DQT_NONE) {
        return DQT_NO_CONTROLLER;
    }
    if (given && !dqt_take_choices(model, tensors, how->choices)) {
        return DQT_BAD_CHOICE;
    }
    if (model->states != NULL) {
        model->states->set(model, tensors, DQT_BEFORE);
    }
    uint32_t position = 0;
    for (uint32_t i = 0; i < model->layer_count; ++i) {
        const dqt_layer *layer = &model->layers[i];
        if (given && layer->controller) {
            continue;
        }
        const uint32_t candidate = layer->adaptive ? tensors[model->choices + position++] : 0u;
        layer->run(layer, tensors, tensors, candidate); /* scratch lies at the start of the arena */
        if (i == model->decide_at) {
            dqt_choose(model, tensors, how->bias);
        }
        if (how->hook != NULL) {
            const dqt_event event = {model, i, candidate, tensors + layer->output, layer->output_size};
            if (!how->hook(how->context, &event)) {
                return DQT_STOPPED;
            }
        }
    }
    if (model->states != NULL) {
        model->states->set(model, tensors, DQT_BEHIND);
    }
    if (result != NULL) {
        result->output = tensors + model->outputs[0].offset;
        result->output_size = model->outputs[0].size;
        result->top = dqt_index_of_largest(result->output, result->output_size);
        result->choices = tensors + model->choices;
        result->choice_count = model->adaptive_count;
    }
    return DQT_OK;
}
