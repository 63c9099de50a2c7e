/* A stand-in for a generated model: tables like an exported project's, kernels that a test can predict.
 * tests/firmware/stand_in/__init__.py says in Python what it computes. */
#include "dqt_app.h"
#include "dqt_baud.h"
#include "dqt_tables.h"

#define INPUT_SIZE 700
#define OUTPUT_SIZE 6
#define LOGITS 712
#define RECEIVE_MAX 260
#define REPLY_MAX 80

#define CHOICES 736

static uint8_t arena[744] __attribute__((aligned(8)));
static uint64_t counts[4];
static uint32_t checksums[4];
static uint8_t receive[RECEIVE_MAX + 10];
static uint8_t reply[REPLY_MAX + 10];
static uint8_t ring[1024];
static int32_t bias[3];

/* The controller: the logits are the first bytes of the input. The second layer has two candidates only. */
static void logits_kernel(const struct dqt_layer *layer, uint8_t *tensors, uint8_t *unused, uint32_t candidate) {
    int32_t *logits = (int32_t *)(void *)(tensors + layer->output);
    (void)unused;
    (void)candidate;
    for (uint32_t i = 0; i < 6; i++) {
        logits[i] = i < 5 ? tensors[i] : INT32_MIN;
    }
}

static void scale_kernel(const struct dqt_layer *layer, uint8_t *tensors, uint8_t *unused, uint32_t candidate) {
    (void)unused;
    for (uint32_t i = 0; i < OUTPUT_SIZE; i++) {
        uint32_t sum = candidate;
        for (uint32_t j = i; j < INPUT_SIZE; j += OUTPUT_SIZE) {
            sum = sum * 31u + tensors[j];
        }
        tensors[layer->output + i] = (uint8_t)(sum ^ (sum >> 8));
    }
}

/* 2 N instructions and a constant, N >= 1 being the 32-bit number at byte 8 of the input.
 * On Arm, 0 is an undefined instruction, and the largest numbers are that with a stack pointer at the end of memory, a
 * write to flash, a jump into RAM, and a full stack. */
static void loop_kernel(const struct dqt_layer *layer, uint8_t *tensors, uint8_t *unused, uint32_t candidate) {
    uint32_t count =
        tensors[8] | ((uint32_t)tensors[9] << 8) | ((uint32_t)tensors[10] << 16) | ((uint32_t)tensors[11] << 24);
    (void)layer;
    (void)unused;
    (void)candidate;
#if defined(__arm__)
    if (count == 0) {
        __asm__ volatile("udf #0"); /* for a test of the fault handler */
    } else if (count == 0xFFFFFFFFu) {
        __asm__ volatile("movs r0, #0\n\tmov sp, r0\n\tudf #0" : : : "r0");
    } else if (count == 0xFFFFFFFEu) {
        *(volatile uint32_t *)((uintptr_t)loop_kernel & ~(uintptr_t)3u) = 0;
    } else if (count == 0xFFFFFFFDu) {
        ((void (*)(void))((uintptr_t)tensors | 1u))();
    } else if (count == 0xFFFFFFFCu) {
        __asm__ volatile("ldr r0, =__stack_bottom\n\tmov sp, r0\n\tpush {r0}" : : : "r0");
    }
    __asm__ volatile(".syntax unified\n1:\tsubs %0, %0, #1\n\tbne 1b" : "+l"(count) : : "cc");
#else
    for (volatile uint32_t left = count; left > 0; left = left - 1) {
    }
#endif
}

/* Also spoils the input, as real kernels do. */
static void mix_kernel(const struct dqt_layer *layer, uint8_t *tensors, uint8_t *unused, uint32_t candidate) {
#ifdef STAND_IN_LOOPS_TWICE
    loop_kernel(layer, tensors, unused, candidate); /* a second layer that takes as long */
#endif
    (void)unused;
    for (uint32_t i = 0; i < OUTPUT_SIZE; i++) {
        tensors[layer->output + i] ^= (uint8_t)(17u * (candidate + 1u));
    }
    for (uint32_t i = 0; i < INPUT_SIZE; i++) {
        tensors[i] = 0xEE;
    }
}

static const dqt_width widths[] = {
    {.weight_bits = 8, .activation_bits = 8},
    {.weight_bits = 4, .activation_bits = 4},
    {.weight_bits = 2, .activation_bits = 4},
};

static const dqt_layer layers[] = {
    {logits_kernel, 0, widths, 1, 0, 1, LOGITS, 24},
    {scale_kernel, 0, widths, 3, 1, 0, INPUT_SIZE + 4, OUTPUT_SIZE},
    {loop_kernel, 0, widths, 1, 0, 0, INPUT_SIZE + 4, OUTPUT_SIZE},
    {mix_kernel, 0, widths, 2, 1, 0, INPUT_SIZE + 4, OUTPUT_SIZE},
};

static const dqt_place inputs[] = {{0, INPUT_SIZE}}, outputs[] = {{INPUT_SIZE + 4, OUTPUT_SIZE}};

#ifndef STAND_IN_DECIDE_AT
#define STAND_IN_DECIDE_AT 0
#endif

/* MODEL_B differs in its hash only, so that a test can tell which of the two is served. */
#define MODEL(first)                                                                                                   \
    {                                                                                                                  \
        .layers = layers, .weights = (const uint8_t *)widths, .weights_size = 0, .arena_size = 744, .inputs = inputs,  \
        .outputs = outputs, .input_count = 1, .output_count = 1, .choices = CHOICES, .decide_at = STAND_IN_DECIDE_AT,  \
        .logits = LOGITS, .layer_count = 4, .adaptive_count = 2, .candidate_max = 3, .hash = {                         \
            first,                                                                                                     \
            0xA1,                                                                                                      \
            0xA2,                                                                                                      \
            0xA3,                                                                                                      \
            0xA4,                                                                                                      \
            0xA5,                                                                                                      \
            0xA6,                                                                                                      \
            0xA7,                                                                                                      \
            0xA8,                                                                                                      \
            0xA9,                                                                                                      \
            0xAA,                                                                                                      \
            0xAB,                                                                                                      \
            0xAC,                                                                                                      \
            0xAD,                                                                                                      \
            0xAE,                                                                                                      \
            0xAF,                                                                                                      \
            0xB0,                                                                                                      \
            0xB1,                                                                                                      \
            0xB2,                                                                                                      \
            0xB3,                                                                                                      \
            0xB4,                                                                                                      \
            0xB5,                                                                                                      \
            0xB6,                                                                                                      \
            0xB7,                                                                                                      \
            0xB8,                                                                                                      \
            0xB9,                                                                                                      \
            0xBA,                                                                                                      \
            0xBB,                                                                                                      \
            0xBC,                                                                                                      \
            0xBD,                                                                                                      \
            0xBE,                                                                                                      \
            0xBF                                                                                                       \
        }                                                                                                              \
    }

static const dqt_model model_a = MODEL(0xA0);
#ifdef STAND_IN_TWO
static const dqt_model model_b = MODEL(0xEE);
static const dqt_model *const models[] = {&model_a, &model_b};
#else
static const dqt_model *const models[] = {&model_a};
#endif

#ifdef STAND_IN_BAUD_MAX
static const dqt_app_baud rates = {dqt_baud_ask, dqt_baud_tell, STAND_IN_BAUD_MAX};
#endif

const dqt_app_data dqt_app = {
    .models = models,
    .model_count = sizeof models / sizeof models[0],
    .arena = arena,
    .counts = counts,
    .checksums = checksums,
    .bias = bias,
    .receive = receive,
    .reply = reply,
    .ring = ring,
    .receive_max = RECEIVE_MAX,
    .ring_size = sizeof ring,
    .load_window = 2,
#ifdef STAND_IN_BAUD_MAX
    .baud = &rates,
#endif
};
