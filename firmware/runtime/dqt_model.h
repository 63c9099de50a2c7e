/* The generated model, as the app sees it. Sizes come from the generated dqt_config.h. */
#ifndef DQT_MODEL_H
#define DQT_MODEL_H

#include <stdint.h>

#include "dqt_config.h"

/* What one inference did. A layer that did not run has count 0 and checksum 0. */
typedef struct {
    uint64_t total;                           /* counter ticks of the whole inference */
    uint64_t counts[DQT_LAYER_COUNT];         /* counter ticks of each layer, in order of execution */
    uint32_t checksums[DQT_LAYER_COUNT];      /* CRC-32 of each layer's output, when asked for */
    uint8_t choices[DQT_ADAPTIVE_COUNT + 1u]; /* candidate index of each adaptive layer */
} dqt_report;

/* DQT_INPUT_SIZE bytes to fill before a run. The run overwrites them. */
uint8_t *dqt_model_input(void);

/* DQT_OUTPUT_SIZE bytes, valid after a run until the input is written again. */
const uint8_t *dqt_model_output(void);

/* Candidates of adaptive layer i; i < DQT_ADAPTIVE_COUNT. */
uint32_t dqt_model_candidates(uint32_t adaptive);

/* One inference. choices: DQT_ADAPTIVE_COUNT checked candidate indices, or NULL for the controller's own. */
void dqt_model_run(const uint8_t *choices, uint32_t with_checksums, dqt_report *report);

#endif
