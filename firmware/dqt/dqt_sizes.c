/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What a model needs and has, for code that serves any model. */
#include "dqt_tables.h"

uint32_t dqt_arena_size(const dqt_model *model) {
    return model->arena_size;
}

uint32_t dqt_input_size(const dqt_model *model) {
    return model->inputs[0].size;
}

uint32_t dqt_output_size(const dqt_model *model) {
    return model->outputs[0].size;
}

uint32_t dqt_layer_count(const dqt_model *model) {
    return model->layer_count;
}

uint32_t dqt_choice_count(const dqt_model *model) {
    return model->adaptive_count;
}

bool dqt_has_controller(const dqt_model *model) {
    return model->decide_at != DQT_NONE;
}

uint32_t dqt_bias_count(const dqt_model *model) {
    return model->candidate_max;
}

uint32_t dqt_candidate_count(const dqt_model *model, uint32_t i) {
    uint32_t position = 0;
    for (uint32_t k = 0; k < model->layer_count; ++k) {
        if (model->layers[k].adaptive && position++ == i) {
            return model->layers[k].width_count;
        }
    }
    return 0;
}
