/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Inputs and outputs of models that have several. */
#include "dqt_tables.h"

uint32_t dqt_input_count(const dqt_model *model) {
    return model->input_count;
}

uint32_t dqt_output_count(const dqt_model *model) {
    return model->output_count;
}

uint8_t *dqt_input_at(const dqt_model *model, void *arena, uint32_t i) {
    return i < model->input_count ? (uint8_t *)arena + model->inputs[i].offset : NULL;
}

const uint8_t *dqt_output_at(const dqt_model *model, const void *arena, uint32_t i) {
    return i < model->output_count ? (const uint8_t *)arena + model->outputs[i].offset : NULL;
}

uint32_t dqt_input_size_at(const dqt_model *model, uint32_t i) {
    return i < model->input_count ? model->inputs[i].size : 0u;
}

uint32_t dqt_output_size_at(const dqt_model *model, uint32_t i) {
    return i < model->output_count ? model->outputs[i].size : 0u;
}
