/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * dqt.h: runs a network of nested integers. This file, and the dqt_<model>.h that dqt-edge generated beside it, are all
 * that an application includes.
 *
 *     static uint8_t arena[DIGITS_ARENA_SIZE] DQT_ALIGN;
 *     dqt_result result;
 *     memcpy(dqt_input(&digits, arena), image, DIGITS_INPUT_SIZE);
 *     if (dqt_run(&digits, arena, NULL, &result) == DQT_OK) { use result.output, result.top, result.choices }
 *
 * All state of an inference is in the caller's arena and on the stack: no heap, no static variable. So any number of
 * models may run, in tasks, in interrupts, one inside another's hook, as long as no two of them use one arena at a
 * time. An arena may be shared by models that run one after another: as large as the largest of them needs.
 *
 * Stack: dqt-edge states the worst case, callees included, in the project's README.md and manifest.json. Interrupts may
 * come at any time; kernels keep the calling convention (AAPCS) and use no floating-point register, except those for
 * MVE, which use the vector registers that an operating system saves like those of floating point.
 *
 * Alignment: kernels may read words at any byte of the arena, so it may not lie in Device or strongly-ordered memory,
 * and SCB->CCR.UNALIGN_TRP must be 0, unless the kernels were compiled with DQT_STRICT_ALIGNMENT=1. */
#ifndef DQT_H
#define DQT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Behind the declaration of an arena: static uint8_t arena[DIGITS_ARENA_SIZE] DQT_ALIGN; */
#define DQT_ALIGN __attribute__((aligned(8)))

/* A model: constant data, defined in the generated model/dqt_<model>.c and declared in model/dqt_<model>.h. */
typedef struct dqt_model dqt_model;

/* What a model decides by, beside its controller: defined and declared as the model is, if it has decision points, a
 * second pass or tuned settings. */
typedef struct dqt_points dqt_points;

typedef enum dqt_status {
    DQT_OK = 0,
    DQT_STOPPED = 1,        /* the hook returned false: there is no result, and the inputs are lost */
    DQT_BAD_ARGUMENT = 2,   /* a pointer that must not be NULL is, or the arena is not aligned to 8 bytes */
    DQT_BAD_CHOICE = 3,     /* the choices name a candidate that its layer does not have */
    DQT_NO_CONTROLLER = 4,  /* the model has adaptive layers and no controller: choices must be given */
    DQT_NO_DIAL = 5,        /* the model has no dial, or the target lies outside it */
    DQT_BAD_WEIGHTS = 6,    /* the weights in flash are not those that were exported */
    DQT_NO_SECOND_PASS = 7, /* a setting asks for a second pass, for which the model keeps nothing */
    DQT_NO_TUNED = 8        /* the model has no tuned setting that keeps the promise */
} dqt_status;

/* What a hook is told: layer `layer` has just run. */
typedef struct dqt_event {
    const dqt_model *model;
    uint32_t layer;        /* 0 .. <MODEL>_LAYERS - 1, in the order of the names in dqt_<model>.h; behind them, from
                              <MODEL>_LAYERS on, the layers of decision points */
    uint32_t candidate;    /* index of the width pair at which it ran; 0 for a layer that has one */
    const uint8_t *output; /* what it wrote, in the arena; valid until the hook returns */
    uint32_t output_size;  /* bytes */
} dqt_event;

/* Called behind each layer: to measure, feed a watchdog, yield to other tasks, or run another model in another arena.
 * Returns whether to go on. context is that of the options. */
typedef bool dqt_hook(void *context, const dqt_event *event);

/* How to run. All zero is the same as no options. */
typedef struct dqt_options {
    const uint8_t *choices; /* index of the candidate of each adaptive layer, <MODEL>_ADAPTIVE of them, in the order of
                               the layers; NULL: the model's controller decides */
    const int32_t *bias;    /* <MODEL>_CANDIDATES numbers of any value to add to the controller's logits, as dqt_dial()
                               gives them; NULL: none. Not read if choices are given */
    dqt_hook *hook;         /* NULL: none */
    void *context;          /* for the hook */
} dqt_options;

/* What came out. Both pointers lead into the arena, and are valid until it is next written to. */
typedef struct dqt_result {
    const uint8_t *output;  /* codes, (height, width, channel) order; dqt_dequantize() makes numbers of them. Of several
                               outputs the first; dqt_output_at() has the others */
    uint32_t output_size;   /* bytes */
    uint32_t top;           /* index of the largest code, the first of equals: the class of a classifier */
    const uint8_t *choices; /* index of the candidate that each adaptive layer ran at */
    uint32_t choice_count;  /* adaptive layers */
} dqt_result;

/* Where to write an input: <MODEL>_INPUT_SIZE codes in (height, width, channel) order, before each dqt_run(). Of
 * several inputs the first; dqt_input_at() has the others. arena: <MODEL>_ARENA_SIZE bytes. Neither argument may be
 * NULL. */
uint8_t *dqt_input(const dqt_model *model, void *arena);

/* One inference on the inputs in the arena, which it overwrites.
 * arena: <MODEL>_ARENA_SIZE bytes, aligned to 8, used by nobody else meanwhile; its content before does not matter but
 * for the inputs and, of a model with states, for these: see dqt_reset(). options: NULL for the controller's own
 * choice. result: may be NULL. Returns DQT_OK, DQT_STOPPED, DQT_BAD_ARGUMENT, DQT_BAD_CHOICE or DQT_NO_CONTROLLER;
 * nothing ran in the last three cases. *result is written only if it returns DQT_OK. */
dqt_status dqt_run(const dqt_model *model, void *arena, const dqt_options *options, dqt_result *result);

/* Of a model with several inputs or outputs: where the i-th lies, i from 0 in the order of dqt_<model>.h; NULL for an i
 * that there is none of. An input is written before each dqt_run(). An output is valid when dqt_run() has returned
 * DQT_OK, until the arena is next written to. Neither pointer given may be NULL. */
uint8_t *dqt_input_at(const dqt_model *model, void *arena, uint32_t i);
const uint8_t *dqt_output_at(const dqt_model *model, const void *arena, uint32_t i);

/* A model with states keeps them in the arena from one inference to the next: an inference that returns DQT_OK reads
 * what the one before it left, and any other leaves them as they were. This makes them what they are before the first
 * inference: call it where a new stream of inputs begins. It may be left out before the first dqt_run() in an arena of
 * zeros, such as a static one, which finds no states there and begins with the initial ones. It must be called before
 * the first dqt_run() in memory that may hold anything else, and after another model has used the arena: better give a
 * model with states an arena of its own. Without states it does nothing.
 * arena: <MODEL>_ARENA_SIZE bytes, aligned to 8. Returns DQT_OK or DQT_BAD_ARGUMENT. */
dqt_status dqt_reset(const dqt_model *model, void *arena);

/* The controller's bias for a mean cost, for dqt_options.bias: interpolated between the points that the model was
 * calibrated at.
 * thousandths: of the BitOPs of everything at 8x8, so 400 asks for 0.4. bias: <MODEL>_CANDIDATES numbers.
 * Returns DQT_OK, DQT_NO_DIAL or DQT_BAD_ARGUMENT; bias is written only if it returns DQT_OK. */
dqt_status dqt_dial(const dqt_model *model, uint32_t thousandths, int32_t *bias);

/* A threshold that no margin reaches: a point with it in exits, and 0 in widen, is not run at all. */
#define DQT_NEVER 0xFFFFFFFFu

/* Another one, with which the point runs, for its margin. */
#define DQT_WATCH 0xFFFFFFFEu

/* What decides how an input is computed. The *margin* of a decision point is the largest of its logits less the second;
 * that of the model's output, the largest of its codes less the second. All pointers may lead into flash. */
typedef struct dqt_setting {
    const uint8_t *widths; /* candidate of each adaptive layer to begin with, as dqt_options.choices; NULL: the model's
                              controller decides */
    const int32_t *bias;   /* as dqt_options.bias; not read if widths are given */
    const uint32_t *exits; /* [<MODEL>_POINTS] least margin that answers at the point, or DQT_NEVER */
    const uint32_t *widen; /* [<MODEL>_POINTS] margin below which the layers behind the point run at their widest
                              candidates; 0: never */
    const uint32_t *stops; /* classes that may be answered early: class c is bit c % 32 of word c / 32; NULL: all */
    uint32_t again;        /* margin of the output below which all is computed once more, at the widest candidates, if
                              it was not; 0: never, 256: always */
} dqt_setting;

/* A setting that was measured on validation data. */
typedef struct dqt_tuned {
    dqt_setting setting;
    uint16_t cost;      /* mean cost in thousandths of the widest candidates without any point */
    uint16_t agreement; /* inferences with the class that those give, in thousandths */
} dqt_tuned;

/* What was decided, and what came out. */
typedef struct dqt_decided {
    dqt_result result; /* an early answer has the code 255 at its class and 0 elsewhere. choices: of the first pass; 255
                          for a layer that did not run */
    uint32_t point;    /* decision point that answered; <MODEL>_POINTS: none, the network's end did */
    uint32_t passes;   /* 1 or 2 */
    uint32_t margin;   /* that of the point that answered; at the network's end, of the first pass */
    struct {           /* where the inference is: not for applications */
        uint32_t number, candidate;
        uint32_t layer, adaptive, head, point;
    } at;
} dqt_decided;

/* One inference that may end early, on the input in the arena, which it overwrites, of a model with decision points, a
 * second pass or tuned settings: &<model>_points of dqt_<model>.h. Arena as for dqt_run(). The decision takes a few
 * instructions for each class and point; a model's README states the worst case: all points and both passes.
 * setting: one of one's own, or what dqt_tuned_cost() or dqt_tuned_agreement() gave. options: of these, hook and
 * context alone are read; NULL: no hook. The hook is told of the layers that run, in a second pass again. decided:
 * written from the start on, valid if it returns DQT_OK. Returns DQT_OK, DQT_STOPPED, DQT_BAD_ARGUMENT (setting->exits
 * and widen may be NULL of a model without points only), DQT_BAD_CHOICE, DQT_NO_CONTROLLER or DQT_NO_SECOND_PASS;
 * nothing ran in the last four cases. */
dqt_status dqt_decide(const dqt_points *points, void *arena, const dqt_setting *setting, const dqt_options *options,
                      dqt_decided *decided);

/* The dearest tuned setting whose mean cost is no more than so many thousandths of the full network's.
 * Returns DQT_OK, DQT_NO_TUNED or DQT_BAD_ARGUMENT; *setting is written only if it returns DQT_OK. */
dqt_status dqt_tuned_cost(const dqt_points *points, uint32_t thousandths, dqt_setting *setting);

/* The cheapest tuned setting that gives the full network's class for at least so many thousandths of the inputs.
 * Returns as dqt_tuned_cost(). */
dqt_status dqt_tuned_agreement(const dqt_points *points, uint32_t thousandths, dqt_setting *setting);

/* Whether the model's weights are those that were exported: compares their CRC-32. Takes 9 to 17 instructions a byte;
 * call it once at start, or now and then. Returns DQT_OK, DQT_BAD_WEIGHTS or DQT_BAD_ARGUMENT. */
dqt_status dqt_check_weights(const dqt_model *model);

/* Sizes, for code that serves any model; the macros of dqt_<model>.h have the same numbers for one. */
uint32_t dqt_arena_size(const dqt_model *model);   /* bytes */
uint32_t dqt_input_size(const dqt_model *model);   /* bytes of the first input */
uint32_t dqt_output_size(const dqt_model *model);  /* bytes of the first output */
uint32_t dqt_layer_count(const dqt_model *model);  /* layers that a hook may hear of, the controller's included */
uint32_t dqt_choice_count(const dqt_model *model); /* adaptive layers */
bool dqt_has_controller(const dqt_model *model);   /* whether dqt_run() needs no choices */
uint32_t dqt_bias_count(const dqt_model *model);   /* numbers that dqt_options.bias has */
uint32_t dqt_input_count(const dqt_model *model);  /* at least 1 */
uint32_t dqt_output_count(const dqt_model *model); /* at least 1 */
/* Bytes of the i-th input or output, 0 for an i that there is none of. */
uint32_t dqt_input_size_at(const dqt_model *model, uint32_t i);
uint32_t dqt_output_size_at(const dqt_model *model, uint32_t i);
/* Width pairs that adaptive layer i has, 0 <= i < dqt_choice_count(); 0 for any other i. */
uint32_t dqt_candidate_count(const dqt_model *model, uint32_t i);

/* What codes stand for: number = scale * (code - zero point). dqt_<model>.h names those of its input and output. */
typedef struct dqt_scale dqt_scale;

/* Code of a number in units of 2^-16 (so 65536 is 1.0): rounded half up, at least 0 and at most 255. scale not NULL. */
uint8_t dqt_quantize(const dqt_scale *scale, int32_t number);

/* Number in units of 2^-16 that a code stands for: rounded half up, at most 32768.0 in magnitude. scale not NULL. */
int32_t dqt_dequantize(const dqt_scale *scale, uint8_t code);

#ifdef __cplusplus
}
#endif

#endif
