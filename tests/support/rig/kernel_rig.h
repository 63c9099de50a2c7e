/* What the host lays into the memory of the kernel rig: layers with their data, and what they must compute. */
#ifndef KERNEL_RIG_H
#define KERNEL_RIG_H

#include "dqt_layer.h"

/* One layer, to be run at each of its candidates on each of its inputs. Sizes and offsets in bytes. */
typedef struct {
    const dqt_layer *layer;
    uint32_t arena_size;      /* at most RIG_ARENA, of which every byte outside tensors is a red zone */
    uint32_t operand[2];      /* offsets of the tensors that the layer reads; the second may be absent */
    uint32_t operand_size[2]; /* 0: absent */
    const uint8_t *values[2]; /* their codes, input after input */
    uint32_t scratch;         /* offset in the rig's scratch, a multiple of 8 */
    uint32_t scratch_size;    /* what the plan promises; the RIG_ZONE bytes before and behind it are red zones */
    uint32_t candidates, inputs;
    const uint32_t *expected; /* CRC-32 of the output, by candidate and input */
    uint32_t number;          /* for messages */
} rig_layer;

typedef struct {
    uint32_t count;
    const rig_layer *layers;
} rig_batch;

#define RIG_ARENA 0x40000u
#define RIG_SCRATCH 0x40000u
#define RIG_ZONE 64u

#endif
