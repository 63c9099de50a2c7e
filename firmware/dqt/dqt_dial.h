/* The model's dial: from a mean cost to a bias for dqt_model_run(). For applications; the serial server gets the bias
 * from its host. See docs/dial.md. */
#ifndef DQT_DIAL_H
#define DQT_DIAL_H

#include <stdint.h>

/* thousandths: mean BitOPs wanted, in thousandths of everything at 8x8; from dqt_model.dial_targets[0] to the last of
 * the dqt_model.dial_count targets. bias: dqt_model.candidate_max values, written if the answer is 1.
 * Returns 1; or 0 if the model has no dial, or the target lies outside of it. */
uint32_t dqt_dial(uint32_t thousandths, int32_t *bias);

#endif
