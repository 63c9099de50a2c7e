/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Whether the weights in flash are those that were exported. */
#include "dqt_crc32.h"
#include "dqt_tables.h"

dqt_status dqt_check_weights(const dqt_model *model) {
    if (model == NULL) {
        return DQT_BAD_ARGUMENT;
    }
    return dqt_crc32(0, model->weights, model->weights_size) == model->weights_crc ? DQT_OK : DQT_BAD_WEIGHTS;
}
