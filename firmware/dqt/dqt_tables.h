/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * A model as constant data: what the generated model/dqt_<model>.c defines and dqt_run.c reads. Applications include
 * dqt.h instead. Offsets are into the arena, in bytes. */
#ifndef DQT_TABLES_H
#define DQT_TABLES_H

#include "dqt.h"
#include "dqt_layer.h"

/* When states are set: before an inference, if the arena does not hold them yet; behind it; and by dqt_reset(). */
typedef enum dqt_moment { DQT_BEFORE, DQT_BEHIND, DQT_ANEW } dqt_moment;

/* What a model keeps between inferences. The arena's last DQT_MARK_SIZE bytes are the first ones of the model's hash
 * once its states lie in it. */
typedef struct dqt_states {
    void (*set)(const dqt_model *model, uint8_t *arena, dqt_moment moment); /* dqt_set_states */
    const dqt_state *list;
    uint32_t count;
} dqt_states;

#define DQT_MARK_SIZE 8u

void dqt_set_states(const dqt_model *model, uint8_t *arena, dqt_moment moment);

struct dqt_model {
    const dqt_layer *layers;
    const uint8_t *weights; /* weights_size bytes, all constants of the model; aligned to 4 */
    uint32_t weights_size, weights_crc;
    const uint16_t *dial_targets; /* [dial_count], increasing, 0..1000; NULL if the model has no dial */
    const int32_t *dial_biases;   /* [dial_count][candidate_max] */
    uint32_t arena_size;
    const dqt_place *inputs, *outputs;
    const dqt_states *states; /* NULL: none, and dqt_set_states() is not linked */
    uint32_t choices;         /* adaptive_count bytes behind the tensors: the candidates of this inference */
    uint32_t decide_at;       /* layer behind which the controller decides, or DQT_NONE */
    uint32_t logits;          /* its int32 logits [adaptive_count][candidate_max] */
    uint16_t layer_count, adaptive_count, dial_count;
    uint8_t candidate_max; /* candidates of the layers that the controller decides; 1 without adaptive layers */
    uint8_t input_count, output_count;
    uint8_t reserved[3];
    uint8_t hash[32]; /* SHA-256 of the model */
};

/* What dqt_run() is made of, for dqt_decide(). */
static inline bool dqt_is_complete(const dqt_model *model, const void *arena) {
    return model != NULL && arena != NULL && ((uintptr_t)arena & 7u) == 0u;
}

/* The controller's decision: for each adaptive layer the candidate with the largest logit, the first of equals.
 * bias: NULL, or one for each candidate. */
void dqt_choose(const dqt_model *model, uint8_t *arena, const int32_t *bias);

/* Takes given choices to the arena; false, and nothing taken, if one is no candidate of its layer. */
bool dqt_take_choices(const dqt_model *model, uint8_t *arena, const uint8_t *given);

/* The first of equals. size 1 or more. */
/*@ requires size >= 1 && \valid_read(codes + (0 .. size - 1)); */
uint32_t dqt_index_of_largest(const uint8_t *codes, uint32_t size);

/* A decision point: layers that end in an int32 logit for each code of the model's output. */
typedef struct dqt_point {
    const dqt_layer *layers;
    uint32_t logits;
    uint16_t layer_count;
    uint16_t before; /* index of the model's layer before which they run; ascends from point to point */
    uint16_t first;  /* index of the first of them among the layers of all points */
    uint16_t reserved;
} dqt_point;

struct dqt_points {
    const dqt_model *model;
    const dqt_point *list;
    const dqt_tuned *tuned; /* cost and agreement ascend */
    const uint8_t *widest;  /* [adaptive_count] the candidate with the most bits */
    uint32_t second;        /* index of the layer where a second pass begins; DQT_NONE: there is none */
    uint16_t layer_count;   /* layers of all points */
    uint8_t count, tuned_count;
};

/* Fixed-point factors, each 2^30..2^31 - 1, with the right shift behind the product. */
struct dqt_scale {
    int32_t to_code; /* from units of 2^-16 to codes */
    int32_t to_number;
    uint8_t to_code_shift, to_number_shift; /* 1..62 */
    uint8_t zero_point;
    uint8_t reserved;
};

#if UINTPTR_MAX == 0xFFFFFFFFu
/* The sizes that the exporter predicts with. */
_Static_assert(sizeof(dqt_mac) == 76u, "dqt_mac");
_Static_assert(sizeof(dqt_pool) == 52u, "dqt_pool");
_Static_assert(sizeof(dqt_sum) == 32u, "dqt_sum");
_Static_assert(sizeof(dqt_part) == 20u, "dqt_part");
_Static_assert(sizeof(dqt_concatenation) == 16u, "dqt_concatenation");
_Static_assert(sizeof(dqt_layer) == 24u, "dqt_layer");
_Static_assert(sizeof(dqt_states) == 12u, "dqt_states");
_Static_assert(sizeof(dqt_model) == 96u, "dqt_model");
_Static_assert(sizeof(dqt_scale) == 12u, "dqt_scale");
_Static_assert(sizeof(dqt_setting) == 24u, "dqt_setting");
_Static_assert(sizeof(dqt_tuned) == 28u, "dqt_tuned");
_Static_assert(sizeof(dqt_point) == 16u, "dqt_point");
_Static_assert(sizeof(dqt_points) == 24u, "dqt_points");
#endif

#endif
