/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The native suite: models as a product takes them over, asked through dqt.h. A case is a request and the answer that
 * the interpreter says, both as bytes in a fixed order, so that a core of any width and byte order can be asked. Arenas
 * lie in memory of their own of just their size. Arguments: the file of cases, then the first case and how many to
 * run, or none for all of them; with them, answers are printed instead of compared. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dqt_arith.h"
#include "dqt_copy.h"
#include "dqt_crc32.h"
#include "dqt_tables.h"

enum { RUN, DECIDE, DIAL, TUNED, QUANTIZE, SIZES, BAD, WEIGHTS, PARTS };
enum { FRESH = 1, WIDTHS = 2, BIAS = 4, STOPS = 8 };
enum { LAYERS_MAX = 512, VALUES_MAX = 512 };

typedef struct {
    const uint8_t *at;
} reader;

static uint8_t *answer;
static uint32_t answer_size, answer_room;
static uint8_t *arenas[SUITE_MODELS_MAX];

static uint32_t get8(reader *from) {
    return *from->at++;
}

static uint32_t get32(reader *from) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        value |= get8(from) << (8 * i);
    }
    return value;
}

static const uint8_t *get_bytes(reader *from, uint32_t size) {
    const uint8_t *found = from->at;
    from->at += size;
    return found;
}

static void fail(const char *why) {
    fprintf(stderr, "suite: %s\n", why);
    exit(3);
}

static void put8(uint32_t value) {
    if (answer_size == answer_room) {
        answer_room = 2 * answer_room + 4096;
        answer = realloc(answer, answer_room);
        if (answer == NULL) {
            fail("no memory");
        }
    }
    answer[answer_size++] = (uint8_t)(value & 255u);
}

static void put32(uint32_t value) {
    for (uint32_t i = 0; i < 4; i++) {
        put8(value >> (8 * i));
    }
}

static void put_bytes(const uint8_t *bytes, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        put8(bytes[i]);
    }
}

typedef struct {
    const suite_model *model;
    uint32_t sums[LAYERS_MAX];
    bool ignored[LAYERS_MAX];
} watcher;

/* The checksum of a layer's output, whose int32 numbers count with the low byte first. */
static bool note(void *context, const dqt_event *event) {
    watcher *seen = context;
    const uint8_t *bytes = event->output;
    if (event->layer >= seen->model->layers) {
        fail("a hook hears of a layer that there is none of");
    }
    if (seen->ignored[event->layer]) {
        return true;
    }
    uint32_t crc = 0;
    if (seen->model->wide[event->layer]) {
        for (uint32_t i = 0; i < event->output_size; i += 4) {
            uint32_t value;
            memcpy(&value, bytes + i, 4);
            const uint8_t low[4] = {(uint8_t)(value & 255u), (uint8_t)(value >> 8 & 255u),
                                    (uint8_t)(value >> 16 & 255u), (uint8_t)(value >> 24)};
            crc = dqt_crc32(crc, low, 4);
        }
    } else {
        crc = dqt_crc32(0, bytes, event->output_size);
    }
    seen->sums[event->layer] = crc;
    return true;
}

static uint8_t *arena_of(uint32_t index, bool fresh) {
    const suite_model *model = &suite_models[index];
    if (fresh || arenas[index] == NULL) {
        const uint32_t size = dqt_arena_size(model->model);
        free(arenas[index]);
        arenas[index] = malloc(size);
        if (arenas[index] == NULL || size < 8) {
            fail("no memory");
        }
        memset(arenas[index] + size - 8, 0xA5, 8); /* where a model with states looks for its mark */
        if (dqt_reset(model->model, arenas[index]) != DQT_OK) {
            fail("dqt_reset()");
        }
    }
    return arenas[index];
}

static void take_inputs(const suite_model *model, uint8_t *arena, reader *from) {
    for (uint32_t i = 0; i < dqt_input_count(model->model); i++) {
        const uint32_t size = dqt_input_size_at(model->model, i);
        memcpy(dqt_input_at(model->model, arena, i), get_bytes(from, size), size);
    }
}

static void take_words(reader *from, uint32_t *words, uint32_t count) {
    if (count > VALUES_MAX) {
        fail("too many values");
    }
    for (uint32_t i = 0; i < count; i++) {
        words[i] = get32(from);
    }
}

/* A copy on the heap, so that a read beyond it is seen. */
static void *kept(const void *data, uint32_t size) {
    void *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) {
        fail("no memory");
    }
    memcpy(copy, data, size);
    return copy;
}

static void put_result(const suite_model *model, const uint8_t *arena, const dqt_result *result, const watcher *seen) {
    for (uint32_t i = 0; i < dqt_output_count(model->model); i++) {
        put_bytes(dqt_output_at(model->model, arena, i), dqt_output_size_at(model->model, i));
    }
    if (result->output != dqt_output_at(model->model, arena, 0) ||
        result->output_size != dqt_output_size(model->model)) {
        fail("the result's output is not the first one");
    }
    put32(result->top);
    put_bytes(result->choices, result->choice_count);
    for (uint32_t i = 0; i < model->layers; i++) {
        put32(seen->sums[i]);
    }
}

/* Layers of which a hook hears though they are skipped: what it is shown is what lay in their places. */
static void ignore(reader *from, watcher *seen) {
    const uint32_t count = get8(from);
    for (uint32_t i = 0; i < count; i++) {
        seen->ignored[get32(from)] = true;
    }
}

static void run(const suite_model *model, uint8_t *arena, uint32_t flags, reader *from) {
    uint32_t words[VALUES_MAX];
    watcher *seen = calloc(1, sizeof *seen);
    const uint32_t widths = dqt_choice_count(model->model), candidates = dqt_bias_count(model->model);
    seen->model = model;
    take_inputs(model, arena, from);
    uint8_t *given = (flags & WIDTHS) != 0 ? kept(get_bytes(from, widths), widths) : NULL;
    int32_t *bias = NULL;
    if ((flags & BIAS) != 0) {
        take_words(from, words, candidates);
        bias = kept(words, 4 * candidates);
    }
    const dqt_options options = {given, bias, note, seen};
    dqt_result result;
    ignore(from, seen);
    const dqt_status status = dqt_run(model->model, arena, &options, &result);
    put32((uint32_t)status);
    if (status == DQT_OK) {
        put_result(model, arena, &result, seen);
    }
    free(given);
    free(bias);
    free(seen);
}

static void decide(const suite_model *model, uint8_t *arena, uint32_t flags, reader *from) {
    uint32_t words[VALUES_MAX];
    watcher *seen = calloc(1, sizeof *seen);
    const uint32_t widths = dqt_choice_count(model->model), candidates = dqt_bias_count(model->model);
    const uint32_t stops = (dqt_output_size(model->model) + 31) / 32;
    seen->model = model;
    take_inputs(model, arena, from);
    uint8_t *given = (flags & WIDTHS) != 0 ? kept(get_bytes(from, widths), widths) : NULL;
    void *parts[4] = {NULL, NULL, NULL, NULL};
    const uint32_t counts[4] = {(flags & BIAS) != 0 ? candidates : 0, model->count, model->count,
                                (flags & STOPS) != 0 ? stops : 0};
    for (uint32_t i = 0; i < 4; i++) {
        if (counts[i] > 0) {
            take_words(from, words, counts[i]);
            parts[i] = kept(words, 4 * counts[i]);
        }
    }
    const dqt_setting setting = {given, parts[0], parts[1], parts[2], parts[3], get32(from)};
    const dqt_options options = {NULL, NULL, note, seen};
    dqt_decided decided;
    ignore(from, seen);
    const dqt_status status = dqt_decide(model->points, arena, &setting, &options, &decided);
    put32((uint32_t)status);
    if (status == DQT_OK) {
        put_result(model, arena, &decided.result, seen);
        put32(decided.point);
        put32(decided.passes);
        put32(decided.margin);
    }
    free(given);
    for (uint32_t i = 0; i < 4; i++) {
        free(parts[i]);
    }
    free(seen);
}

static void dial(const suite_model *model, reader *from) {
    const uint32_t count = dqt_bias_count(model->model);
    int32_t *bias = calloc(count, 4);
    const dqt_status status = dqt_dial(model->model, get32(from), bias);
    put32((uint32_t)status);
    for (uint32_t i = 0; i < count; i++) {
        put32((uint32_t)bias[i]);
    }
    free(bias);
}

static void tuned(const suite_model *model, reader *from) {
    const uint32_t by_cost = get32(from), thousandths = get32(from);
    dqt_setting setting = {0};
    const dqt_status status = by_cost != 0 ? dqt_tuned_cost(model->points, thousandths, &setting)
                                           : dqt_tuned_agreement(model->points, thousandths, &setting);
    put32((uint32_t)status);
    if (status == DQT_OK) {
        put_bytes(setting.widths, dqt_choice_count(model->model));
        for (uint32_t i = 0; i < model->count; i++) {
            put32(setting.exits[i]);
            put32(setting.widen[i]);
        }
        put32(setting.again);
    }
}

static void quantize(const suite_model *model, reader *from) {
    const uint32_t count = get32(from);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = get32(from);
        if (model->scale != NULL) {
            put32(dqt_quantize(model->scale, (int32_t)number));
            put32((uint32_t)dqt_dequantize(model->scale, (uint8_t)(i & 255u)));
        }
    }
}

static void sizes(const suite_model *model) {
    const dqt_model *m = model->model;
    uint8_t *arena = arena_of((uint32_t)(model - suite_models), true);
    put32(dqt_arena_size(m));
    put32(dqt_input_size(m));
    put32(dqt_output_size(m));
    put32(dqt_layer_count(m));
    put32(dqt_choice_count(m));
    put32(dqt_has_controller(m));
    put32(dqt_bias_count(m));
    put32(dqt_input_count(m));
    put32(dqt_output_count(m));
    for (uint32_t i = 0; i <= dqt_input_count(m); i++) {
        put32(dqt_input_size_at(m, i));
        put32(dqt_input_at(m, arena, i) != NULL);
    }
    for (uint32_t i = 0; i <= dqt_output_count(m); i++) {
        put32(dqt_output_size_at(m, i));
        put32(dqt_output_at(m, arena, i) != NULL);
    }
    put32(dqt_input(m, arena) == dqt_input_at(m, arena, 0));
    for (uint32_t i = 0; i <= dqt_choice_count(m); i++) {
        put32(dqt_candidate_count(m, i));
    }
}

static bool stop_at_first(void *context, const dqt_event *event) {
    uint32_t *heard = context;
    (void)event;
    ++*heard;
    return false;
}

/* Arguments that must be refused, and a hook that stops. */
static void bad(const suite_model *model) {
    static const uint32_t nothing[64] = {0};
    const dqt_model *m = model->model;
    uint8_t *arena = arena_of((uint32_t)(model - suite_models), true);
    int32_t bias[64];
    dqt_setting setting = {0};
    dqt_decided decided;
    dqt_result result;
    uint32_t heard = 0;
    uint8_t *widths = calloc(dqt_choice_count(m) + 1, 1);
    const dqt_options options = {widths, NULL, stop_at_first, &heard};
    for (uint32_t i = 0; i < dqt_input_count(m); i++) {
        memset(dqt_input_at(m, arena, i), 0, dqt_input_size_at(m, i));
    }
    put32((uint32_t)dqt_run(NULL, arena, NULL, &result));
    put32((uint32_t)dqt_run(m, NULL, NULL, &result));
    put32((uint32_t)dqt_run(m, arena + 4, NULL, &result));
    put32((uint32_t)dqt_run(m, arena + 1, NULL, &result));
    put32((uint32_t)dqt_reset(NULL, arena));
    put32((uint32_t)dqt_reset(m, NULL));
    put32((uint32_t)dqt_dial(NULL, 0, bias));
    put32((uint32_t)dqt_dial(m, 0, NULL));
    put32((uint32_t)dqt_check_weights(NULL));
    put32((uint32_t)dqt_run(m, arena, &options, NULL));
    put32(heard);
    if (dqt_choice_count(m) > 0) {
        for (uint32_t i = 0; i < dqt_choice_count(m); i++) {
            widths[i] = (uint8_t)dqt_candidate_count(m, i);
            put32((uint32_t)dqt_run(m, arena, &options, NULL));
            widths[i] = 0;
        }
        if (m->decide_at == DQT_NONE) {
            put32((uint32_t)dqt_run(m, arena, NULL, NULL));
        }
    }
    if (model->points != NULL) {
        setting.widths = widths;
        put32((uint32_t)dqt_decide(NULL, arena, &setting, NULL, &decided));
        put32((uint32_t)dqt_decide(model->points, NULL, &setting, NULL, &decided));
        put32((uint32_t)dqt_decide(model->points, arena + 4, &setting, NULL, &decided));
        put32((uint32_t)dqt_decide(model->points, arena, NULL, NULL, &decided));
        put32((uint32_t)dqt_decide(model->points, arena, &setting, NULL, NULL));
        if (model->count > 0) {
            put32((uint32_t)dqt_decide(model->points, arena, &setting, NULL, &decided));
            setting.exits = nothing;
            put32((uint32_t)dqt_decide(model->points, arena, &setting, NULL, &decided));
        }
        setting.exits = nothing;
        setting.widen = nothing;
        heard = 0;
        put32((uint32_t)dqt_decide(model->points, arena, &setting, &options, &decided));
        put32(heard);
        if (dqt_choice_count(m) > 0) {
            widths[0] = (uint8_t)dqt_candidate_count(m, 0);
            put32((uint32_t)dqt_decide(model->points, arena, &setting, NULL, &decided));
            widths[0] = 0;
        }
        if (m->decide_at == DQT_NONE && dqt_choice_count(m) > 0) {
            setting.widths = NULL;
            put32((uint32_t)dqt_decide(model->points, arena, &setting, NULL, &decided));
            setting.widths = widths;
        }
        if (model->points->second == DQT_NONE) {
            setting.again = 1;
            put32((uint32_t)dqt_decide(model->points, arena, &setting, NULL, &decided));
            setting.again = 0;
        }
        put32((uint32_t)dqt_tuned_cost(NULL, 1000, &setting));
        put32((uint32_t)dqt_tuned_cost(model->points, 1000, NULL));
        put32((uint32_t)dqt_tuned_agreement(NULL, 0, &setting));
        put32((uint32_t)dqt_tuned_agreement(model->points, 0, NULL));
    }
    free(widths);
}

/* Copies and fills of every size at every place within words, with what lies round them. */
static void copies(void) {
    _Alignas(8) uint8_t from[64], to[64];
    for (uint32_t size = 0; size <= 20; size++) {
        for (uint32_t place = 0; place < 16; place++) {
            uint8_t *const target = to + 8 + place / 4;
            for (uint32_t i = 0; i < 64; i++) {
                from[i] = (uint8_t)(3 * i + 1);
                to[i] = (uint8_t)(255 - i);
            }
            dqt_copy(target, from + 8 + place % 4, size);
            put32(dqt_crc32(0, to, 64));
            if (dqt_fill(target + 1, (uint8_t)(place + 7), size) != target + 1 + size) {
                fail("dqt_fill() says another end");
            }
            put32(dqt_crc32(0, to, 64));
            dqt_copy(from + 8 + place / 4, from + 12 + place / 4, size); /* down, within one array */
            dqt_copy(from + 8, from + 8, size);
            put32(dqt_crc32(0, from, 64));
        }
    }
}

/* Numbers to codes and back, with the same factor. */
static void scales(reader *from) {
    const uint32_t count = get32(from);
    for (uint32_t i = 0; i < count; i++) {
        dqt_scale scale = {0};
        scale.to_code = scale.to_number = (int32_t)get32(from);
        scale.to_code_shift = scale.to_number_shift = (uint8_t)get8(from);
        scale.zero_point = (uint8_t)get8(from);
        const int32_t number = (int32_t)get32(from);
        const uint8_t code = (uint8_t)get8(from);
        put8(dqt_quantize(&scale, number));
        put32((uint32_t)dqt_dequantize(&scale, code));
    }
}

/* What kernels are made of, by itself. */
static void parts(reader *from) {
    const uint32_t count = get32(from);
    for (uint32_t i = 0; i < count; i++) {
        const int32_t twice = (int32_t)get32(from), multiplier = (int32_t)get32(from);
        const uint32_t shift = get8(from), low = get8(from), high = get8(from);
        put8(dqt_requantize_one(twice, multiplier, shift, low, high));
        put8(dqt_product_code(twice, multiplier, shift, low, high));
        put32((uint32_t)dqt_product_scale(twice, multiplier));
    }
    for (uint32_t shift = 0; shift <= 6; shift++) {
        for (uint32_t code = 0; code < 256; code++) {
            put8(dqt_activation_view(code, shift));
        }
    }
    scales(from);
    copies();
}

static bool is_big_endian(void) {
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 0;
}

/* Answers a request; false if this core cannot be asked. */
static bool ask(reader from) {
    const uint32_t kind = get8(&from), index = get8(&from), flags = get8(&from);
    if (index >= suite_count) {
        fail("a case of a model that there is none of");
    }
    const suite_model *model = &suite_models[index];
    answer_size = 0;
    switch (kind) {
    case RUN:
        run(model, arena_of(index, (flags & FRESH) != 0), flags, &from);
        return true;
    case DECIDE:
        decide(model, arena_of(index, (flags & FRESH) != 0), flags, &from);
        return true;
    case DIAL:
        dial(model, &from);
        return true;
    case TUNED:
        tuned(model, &from);
        return true;
    case QUANTIZE:
        quantize(model, &from);
        return true;
    case SIZES:
        sizes(model);
        return true;
    case BAD:
        bad(model);
        return true;
    case PARTS:
        parts(&from);
        return true;
    case WEIGHTS:
        if (is_big_endian()) { /* the CRC is of the bytes of a little-endian core */
            return false;
        }
        put32((uint32_t)dqt_check_weights(model->model));
        return true;
    default:
        fail("a case of an unknown kind");
        return false;
    }
}

static uint8_t *contents(const char *path, uint32_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail("cannot read the cases");
    }
    *size = (uint32_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size);
    if (data == NULL || fread(data, 1, *size, file) != *size) {
        fail("cannot read the cases");
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    uint32_t size, asked = 0, differing = 0, left_out = 0, number = 0;
    if (argc != 2 && argc != 4) {
        fail("arguments: CASES [FIRST COUNT]");
    }
    uint8_t *data = contents(argv[1], &size);
    const bool prints = argc == 4;
    const uint32_t first = prints ? (uint32_t)atoi(argv[2]) : 0;
    const uint32_t behind = prints ? first + (uint32_t)atoi(argv[3]) : UINT32_MAX;
    for (reader at = {data}; at.at < data + size; number++) {
        const uint32_t request = get32(&at), wanted = get32(&at);
        const reader from = {get_bytes(&at, request)};
        const uint8_t *want = get_bytes(&at, wanted);
        if (number < first || number >= behind) {
            continue;
        }
        if (!ask(from)) {
            left_out++;
            continue;
        }
        asked++;
        if (prints) {
            printf("%u %08x %u\n", number, dqt_crc32(0, answer, answer_size), answer_size);
        } else if (answer_size != wanted || memcmp(answer, want, wanted) != 0) {
            differing++;
            printf("case %u differs: kind %u, model %u\n", number, from.at[0], from.at[1]);
        }
        fflush(stdout);
    }
    for (uint32_t i = 0; i < suite_count; i++) {
        free(arenas[i]);
    }
    free(answer);
    free(data);
    if (!prints) {
        printf("%u cases, %u differ, %u left out\n", asked, differing, left_out);
    }
    return differing > 0 ? 1 : 0;
}
