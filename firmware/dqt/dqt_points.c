/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Decision points: runs a model's layers, asks the heads behind some of them, and ends where the answer is sure enough.
 * Linked only if a program decides. */
#include "dqt_tables.h"

#define NOT_RUN 0xFFu

/* Marks the choices in the arena while a second pass runs: then no layer takes a branch for skipped. There are at most
 * 17 options. */
#define SECOND_PASS 0x80u

/* What runs beside the kernels keeps its variables out of the stack frame below which the kernels run. */
#define BESIDE __attribute__((noinline)) static

/* The largest of some numbers, logits or codes, and how much larger it is than the second: to now->result.top, the
 * first of equals, and now->margin. The exporter has proved that the margin fits. */
static void measure(const uint8_t *numbers, bool codes, uint32_t count, dqt_decided *now) {
    const int32_t *logits = (const int32_t *)(const void *)numbers;
    int32_t most = codes ? 0 : INT32_MIN;
    int32_t second = most;
    uint32_t top = 0;
    for (uint32_t i = 0; i < count; ++i) {
        const int32_t value = codes ? (int32_t)numbers[i] : logits[i];
        if (value > most) {
            second = most;
            most = value;
            top = i;
        } else if (value > second) {
            second = value;
        }
    }
    now->result.top = top;
    now->margin = (uint32_t)most - (uint32_t)second;
}

static bool runs_head(const dqt_setting *setting, uint32_t point) {
    return setting->exits[point] != DQT_NEVER || setting->widen[point] != 0u;
}

/* Whether the head that has just run answers; if it does not, its margin may widen the layers to come. */
static bool answers(const dqt_points *points, uint8_t *arena, const dqt_setting *setting, dqt_decided *now) {
    const dqt_model *model = points->model;
    const uint32_t index = now->at.point;
    measure(arena + points->list[index].logits, false, model->outputs[0].size, now);
    const uint32_t top = now->result.top;
    if (now->margin >= setting->exits[index] &&
        (setting->stops == NULL || (setting->stops[top / 32u] >> (top % 32u) & 1u) != 0u)) {
        now->point = index;
        return true;
    }
    if (now->margin < setting->widen[index]) {
        for (uint32_t i = now->at.adaptive; i < model->adaptive_count; ++i) {
            arena[model->choices + i] = points->widest[i];
        }
    }
    return false;
}

/* At the network's end: whether its answer is computed once more. */
static bool runs_again(const dqt_points *points, const uint8_t *arena, const dqt_setting *setting, dqt_decided *now) {
    const dqt_model *model = points->model;
    if (now->passes > 1u) {
        return false;
    }
    measure(arena + model->outputs[0].offset, true, model->outputs[0].size, now);
    bool narrow = false;
    for (uint32_t i = 0; i < model->adaptive_count; ++i) {
        narrow = narrow || arena[model->choices + i] != points->widest[i];
    }
    return narrow && now->margin < setting->again;
}

/* Marks the choices, or takes the mark away again. */
static void mark(const dqt_model *model, uint8_t *arena) {
    for (uint32_t i = 0; i < model->adaptive_count; ++i) {
        arena[model->choices + i] ^= SECOND_PASS;
    }
}

/* What follows the layer that has just run: the next one to run, or NULL if there is an answer. */
BESIDE const dqt_layer *step(const dqt_points *points, uint8_t *arena, const dqt_setting *setting, dqt_decided *now) {
    const dqt_model *model = points->model;
    if (now->at.number == model->decide_at) { /* never 0: the controller reads a layer before it */
        dqt_choose(model, arena, setting->bias);
    }
    for (;;) {
        const uint32_t index = now->at.point;
        if (index < points->count && points->list[index].before == now->at.layer) {
            const dqt_point *point = &points->list[index];
            if (runs_head(setting, index)) {
                if (now->at.head < point->layer_count) {
                    now->at.number = model->layer_count + (uint32_t)point->first + now->at.head;
                    now->at.candidate = 0;
                    return &point->layers[now->at.head++];
                }
                if (answers(points, arena, setting, now)) {
                    return NULL;
                }
            }
            now->at.head = 0;
            now->at.point++;
            continue;
        }
        if (now->at.layer == model->layer_count) {
            if (!runs_again(points, arena, setting, now)) {
                return NULL;
            }
            now->passes = 2;
            now->at.layer = points->second; /* no adaptive layer lies before it */
            now->at.adaptive = 0;
            mark(model, arena);
        }
        const dqt_layer *layer = &model->layers[now->at.layer];
        const uint32_t number = now->at.layer++;
        if (layer->controller && setting->widths != NULL) {
            continue;
        }
        now->at.number = number;
        now->at.candidate = 0;
        if (layer->adaptive) {
            const uint8_t *choices = now->passes > 1u ? points->widest : arena + model->choices;
            now->at.candidate = choices[now->at.adaptive++];
        }
        return layer;
    }
}

static bool lacks(const dqt_points *points, const void *arena, const dqt_setting *setting, const dqt_decided *now) {
    return points == NULL || setting == NULL || now == NULL || !dqt_is_complete(points->model, arena) ||
           (points->count > 0u && (setting->exits == NULL || setting->widen == NULL));
}

/* Checks everything, and makes *now the beginning of an inference. */
BESIDE dqt_status begin(const dqt_points *points, uint8_t *arena, const dqt_setting *setting, dqt_decided *now) {
    if (lacks(points, arena, setting, now)) {
        return DQT_BAD_ARGUMENT;
    }
    const dqt_model *model = points->model;
    if (setting->again != 0u && points->second == DQT_NONE) {
        return DQT_NO_SECOND_PASS;
    }
    if (setting->widths == NULL && model->adaptive_count > 0u && model->decide_at == DQT_NONE) {
        return DQT_NO_CONTROLLER;
    }
    if (setting->widths != NULL && !dqt_take_choices(model, arena, setting->widths)) {
        return DQT_BAD_CHOICE;
    }
    now->point = points->count;
    now->passes = 1;
    now->at.number = 0; /* field by field: a compiler may call memset() for the whole */
    now->at.layer = 0;
    now->at.adaptive = 0;
    now->at.head = 0;
    now->at.point = 0;
    return DQT_OK;
}

/* Writes the answer where it is looked for. */
BESIDE void finish(const dqt_points *points, uint8_t *arena, dqt_decided *now) {
    const dqt_model *model = points->model;
    uint8_t *output = arena + model->outputs[0].offset;
    const uint32_t size = model->outputs[0].size;
    uint8_t *choices = arena + model->choices;
    if (now->passes > 1u) {
        mark(model, arena);
    }
    if (now->point < points->count) {
        for (uint32_t i = 0; i < size; ++i) {
            output[i] = 0;
        }
        output[now->result.top] = 255u;
        for (uint32_t i = now->at.adaptive; i < model->adaptive_count; ++i) {
            choices[i] = NOT_RUN;
        }
    } else {
        now->result.top = dqt_index_of_largest(output, size);
    }
    now->result.output = output;
    now->result.output_size = size;
    now->result.choices = choices;
    now->result.choice_count = model->adaptive_count;
}

dqt_status dqt_decide(const dqt_points *points, void *arena, const dqt_setting *setting, const dqt_options *options,
                      dqt_decided *decided) {
    uint8_t *const tensors = arena;
    const dqt_status status = begin(points, tensors, setting, decided);
    if (status != DQT_OK) {
        return status;
    }
    const dqt_layer *layer = step(points, tensors, setting, decided);
    while (layer != NULL) {
        const uint32_t candidate = decided->at.candidate;
        layer->run(layer, tensors, tensors, candidate); /* scratch lies at the start of the arena */
        const dqt_event event = {points->model, decided->at.number, candidate, tensors + layer->output,
                                 layer->output_size};
        layer = step(points, tensors, setting, decided);
        if (options != NULL && options->hook != NULL && !options->hook(options->context, &event)) {
            return DQT_STOPPED;
        }
    }
    finish(points, tensors, decided);
    return DQT_OK;
}

dqt_status dqt_tuned_cost(const dqt_points *points, uint32_t thousandths, dqt_setting *setting) {
    if (points == NULL || setting == NULL) {
        return DQT_BAD_ARGUMENT;
    }
    uint32_t behind = 0; /* costs ascend */
    while (behind < points->tuned_count && points->tuned[behind].cost <= thousandths) {
        ++behind;
    }
    if (behind == 0u) {
        return DQT_NO_TUNED;
    }
    *setting = points->tuned[behind - 1u].setting;
    return DQT_OK;
}

dqt_status dqt_tuned_agreement(const dqt_points *points, uint32_t thousandths, dqt_setting *setting) {
    if (points == NULL || setting == NULL) {
        return DQT_BAD_ARGUMENT;
    }
    for (uint32_t i = 0; i < points->tuned_count; ++i) {
        if (points->tuned[i].agreement >= thousandths) {
            *setting = points->tuned[i].setting;
            return DQT_OK;
        }
    }
    return DQT_NO_TUNED;
}
