/* The model as constant data (generated dqt_model.c) and what runs it (dqt_run.c). */
#ifndef DQT_RUN_H
#define DQT_RUN_H

#include "dqt_layer.h"

/* Memory that the exporter sized; see the generated dqt_model.c. */
typedef struct {
    uint8_t *arena;      /* tensors; 8-byte aligned */
    uint8_t *scratch;    /* for one layer at a time; 8-byte aligned */
    uint64_t *counts;    /* counter ticks of each layer of the last run; 0: did not run */
    uint32_t *checksums; /* CRC-32 of each layer's output, when asked for; else 0 */
    uint8_t *choices;    /* candidate index of each adaptive layer in the last run */
    uint64_t *total;     /* counter ticks of the whole last run */
    uint8_t *receive;    /* one request frame */
    uint8_t *reply;      /* one reply frame, kept for repeats */
    uint8_t *ring;       /* received bytes that wait; ring_size of them */
    int32_t *bias;       /* for the controller's logits, as the host sent it; candidate_max of them */
} dqt_buffers;

typedef struct {
    const dqt_layer *layers;
    dqt_buffers buffers;
    uint32_t input, input_size; /* arena offsets and sizes in bytes */
    uint32_t output, output_size;
    uint32_t decide_at;              /* layer behind which the controller decides, or DQT_NONE */
    uint32_t logits;                 /* arena offset of its int32 logits [adaptive_count][candidate_max] */
    uint32_t receive_max, reply_max; /* longest payload of a request and of a reply */
    uint32_t ring_size;              /* a power of two */
    const uint16_t *dial_targets;    /* [dial_count], increasing, 0..1000; NULL if the model has no dial */
    const int32_t *dial_biases;      /* [dial_count][candidate_max] */
    uint16_t layer_count, adaptive_count;
    uint8_t candidate_max, load_window;
    uint16_t dial_count;
    uint8_t hash[32]; /* SHA-256 of the model */
} dqt_model_data;

extern const dqt_model_data dqt_model;

#if UINTPTR_MAX == 0xFFFFFFFFu
/* The size that the exporter predicts with. */
_Static_assert(sizeof(dqt_model_data) == 128u, "dqt_model_data");
#endif

/* Number of candidates of adaptive layer i < dqt_model.adaptive_count. */
uint32_t dqt_model_candidates(uint32_t adaptive);

/* One inference. choices: adaptive_count checked candidate indices, or NULL for the controller's own.
 * bias: candidate_max integers of any value, added to the logits of every layer before the controller decides, or NULL
 * for none; see dqt_dial.h. Not read if choices are given.
 * Results are in dqt_model.buffers. The input is overwritten. */
void dqt_model_run(const uint8_t *choices, const int32_t *bias, uint32_t with_checksums);

#endif
