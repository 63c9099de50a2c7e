/* Runs the generated tables. No model-dependent number is compiled in here: everything comes from dqt_model. */
#include "dqt_run.h"

#include "dqt_frame.h"
#include "dqt_port.h"

static uint64_t elapsed(uint64_t from, uint64_t to) {
    return (to - from) & dqt_port_counter_mask;
}

/* The controller's decision: for each adaptive layer the candidate with the largest logit, the first of equals.
 * In 64 bits, because a bias from the host may be any number. */
static void decide(const int32_t *logits, const int32_t *bias, uint8_t *choices) {
    for (uint32_t i = 0; i < dqt_model.adaptive_count; ++i) {
        uint32_t best = 0;
        int64_t most = INT64_MIN;
        for (uint32_t k = 0; k < dqt_model.candidate_max; ++k) {
            const int64_t value = (int64_t)logits[k] + (bias != 0 ? bias[k] : 0);
            if (value > most) {
                most = value;
                best = k;
            }
        }
        choices[i] = (uint8_t)best;
        logits += dqt_model.candidate_max;
    }
}

uint32_t dqt_model_candidates(uint32_t adaptive) {
    uint32_t position = 0;
    for (uint32_t i = 0; i < dqt_model.layer_count; ++i) {
        if (dqt_model.layers[i].adaptive && position++ == adaptive) {
            return dqt_model.layers[i].width_count;
        }
    }
    return 0;
}

void dqt_model_run(const uint8_t *choices, const int32_t *bias, uint32_t with_checksums) {
    const dqt_buffers *buffers = &dqt_model.buffers;
    uint64_t total = 0;
    uint64_t last = dqt_port_counter();
    uint32_t position = 0;
    for (uint32_t i = 0; choices != 0 && i < dqt_model.adaptive_count; ++i) {
        buffers->choices[i] = choices[i];
    }
    for (uint32_t i = 0; i < dqt_model.layer_count; ++i) {
        const dqt_layer *layer = &dqt_model.layers[i];
        buffers->counts[i] = 0;
        buffers->checksums[i] = 0;
        if (choices != 0 && layer->controller) {
            continue;
        }
        const uint32_t candidate = layer->adaptive ? buffers->choices[position++] : 0u;
        layer->run(layer, buffers->arena, buffers->scratch, candidate);
        if (i == dqt_model.decide_at) {
            decide((const int32_t *)(const void *)(buffers->arena + dqt_model.logits), bias, buffers->choices);
        }
        const uint64_t now = dqt_port_counter();
        /* Differences of neighbours survive a counter that wraps; their sum is the whole inference. */
        buffers->counts[i] = elapsed(last, now);
        total += buffers->counts[i];
        last = now;
        if (with_checksums != 0u) {
            buffers->checksums[i] = dqt_crc32(0u, buffers->arena + layer->output, layer->output_size);
            last = dqt_port_counter(); /* checksums are no part of the inference */
        }
    }
    *buffers->total = total;
}
