/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_text.h"

#include "dqt_app.h"
#include "dqt_board.h"
#include "dqt_port.h"
#include "dqt_say.h"
#include "dqt_server.h"
#include "dqt_trigger.h"
#include "dqt_watchdog.h"

#define LINE_MAX 80u      /* characters of a command, as in the runner's rules */
#define COUNT_MAX 999999u /* inferences of one command */
#define WARM_UPS 10u      /* of an infer that does not say how many */
#define FRAME_START 2u    /* the first byte of every frame that comes whole */

DQT_WORDS(lap, "m-lap-us-");
DQT_WORDS(help_lines, "dqt-edge: MLPerf Tiny's text protocol. A command ends with %\r\n"
                      "name, profile, timestamp\r\n"
                      "db load N   expect N bytes of input\r\n"
                      "db HH[HH].. bytes, in hexadecimal\r\n"
                      "infer N [W] N timed inferences behind W others, 10 if not given\r\n"
                      "results     of the last infer\r\n");
DQT_WORDS(takes, "e-[The model takes ");
DQT_WORDS(bytes, " bytes]\r\n");
DQT_WORDS(expecting, "m-[Expecting ");
DQT_WORDS(load_first, "'db load N' comes first");
DQT_WORDS(too_many, "More bytes than expected");
DQT_WORDS(two_digits, "Two hexadecimal digits a byte");
DQT_WORDS(no_digit, "No hexadecimal digit");
DQT_WORDS(load_done, "m-load-done\r\n");
DQT_WORDS(no_inference, "No inference yet");
DQT_WORDS(results_start, "m-results-[");
DQT_WORDS(bad_counts, "infer takes 1 to 999999, and 0 to 999999");
DQT_WORDS(damaged, "The flash is damaged");
DQT_WORDS(not_loaded, "The input is not loaded");
DQT_WORDS(warmup_start, "m-warmup-start-");
DQT_WORDS(warmup_done, "m-warmup-done\r\n");
DQT_WORDS(infer_start, "m-infer-start-");
DQT_WORDS(infer_done, "m-infer-done\r\n");
DQT_WORDS(unknown, "e-[Unknown command: ");
DQT_WORDS(too_long, "The command is too long");
DQT_WORDS(no_command, "No command");
DQT_WORDS(ready, "m-ready\r\n");
DQT_WORDS(word_name, "name");
DQT_WORDS(word_profile, "profile");
DQT_WORDS(word_help, "help");
DQT_WORDS(word_timestamp, "timestamp");
DQT_WORDS(word_results, "results");
DQT_WORDS(word_infer, "infer");
DQT_WORDS(word_db, "db");
DQT_WORDS(word_load, "load");
DQT_WORDS(name_start, "m-name-dut-[");
DQT_WORDS(profile_start, "m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[");
DQT_WORDS(greeting, "m-[dqt-edge on ");
DQT_WORDS(greeting_end, "; type help%]\r\nm-timestamp-mode-performance\r\n");
DQT_WORDS(init_done, "m-init-done\r\n");
static const char board[16] __attribute__((aligned(4))) = DQT_BOARD_ID; /* one size for every id */

typedef enum { TEXT, JUNK, FRAME } kind_of_bytes;

static struct {
    uint8_t line[LINE_MAX];
    uint32_t size;      /* characters of the command so far; LINE_MAX + 1: too many */
    kind_of_bytes kind; /* of the bytes since the last end */
    uint32_t at;        /* of the next word of the command */
    uint32_t wanted;    /* bytes that db is still to bring; 0: none */
    bool open;          /* the other side speaks text: no frame came since */
    bool begun;         /* bytes came since the last end */
    bool greeted;
    bool loaded;         /* the input is whole */
    bool answered;       /* the arena holds the outputs of an infer */
    uint64_t ticks;      /* of the counter, since the start */
    uint64_t last;       /* the counter when they were counted */
    dqt_options options; /* not on the stack, whose deepest point is in a kernel below this */
    dqt_result result;
} text;

/* --- Time --------------------------------------------------------------------------------------------------------- */

/* Behind every layer, so that the counter may wrap in an inference. Not while nothing comes: profiling under QEMU takes
 * a reading of the counter for the end of a layer. */
static void count_ticks(void) {
    const uint64_t now = dqt_port_counter();
    text.ticks += (now - text.last) & dqt_port_counter_mask;
    text.last = now;
}

bool dqt_text_count(void *context, const dqt_event *event) {
    (void)context;
    (void)event;
    count_ticks();
    dqt_watchdog_feed();
    return true;
}

static void say_lap(void) {
    const uint32_t hz = dqt_app.text->counter_hz;
    uint32_t left;
    count_ticks();
    uint64_t microseconds = dqt_divide(text.ticks, hz, &left);
    for (uint32_t digit = 0; digit < 6u; digit++) {
        const uint64_t ten = ((uint64_t)left << 3) + ((uint64_t)left << 1);
        microseconds = (microseconds << 3) + (microseconds << 1) + dqt_divide(ten, hz, &left);
    }
    dqt_say_line(lap, microseconds);
}

/* --- What is received --------------------------------------------------------------------------------------------- */

static void skip_blanks(void) {
    while (text.at < text.size && text.line[text.at] == ' ') {
        text.at++;
    }
}

/* Whether the next word of the command is this one; if so, goes behind it. */
static bool take_word(const char *word) {
    uint32_t at = text.at;
    while (*word != '\0') {
        if (at == text.size || text.line[at] != (uint8_t)*word) {
            return false;
        }
        at++;
        word++;
    }
    if (at < text.size && text.line[at] != ' ') {
        return false;
    }
    text.at = at;
    skip_blanks();
    return true;
}

static bool at_end(void) {
    return text.at == text.size;
}

/* The next word as a number of up to six digits; COUNT_MAX + 1 if it is none. */
static uint32_t take_number(void) {
    uint32_t value = 0, digits = 0;
    for (; text.at < text.size && text.line[text.at] != ' '; text.at++, digits++) {
        const uint32_t digit = text.line[text.at] - (uint32_t)'0';
        if (digit > 9u || digits == 6u) {
            return COUNT_MAX + 1u;
        }
        value = 10u * value + digit;
    }
    skip_blanks();
    return digits != 0u ? value : COUNT_MAX + 1u;
}

/* 0 to 15, or more for what is no hexadecimal digit. */
static uint32_t nibble(uint8_t character) {
    const uint32_t digit = character - (uint32_t)'0';
    const uint32_t letter = (character | 0x20u) - (uint32_t)'a';
    return digit <= 9u ? digit : letter <= 5u ? letter + 10u : 16u;
}

/* --- Commands ----------------------------------------------------------------------------------------------------- */

static void name(void) {
    dqt_say(name_start);
    dqt_say(board);
    dqt_say(dqt_closing);
}

static void profile(void) {
    dqt_say(profile_start);
    dqt_say(dqt_app.text->model);
    dqt_say(dqt_closing);
}

static void help(void) {
    dqt_say(help_lines);
}

static void load(void) {
    const uint32_t size = dqt_input_size(dqt_app.models[0]);
    const uint32_t count = take_number();
    if (!at_end() || count != size) {
        dqt_say(takes);
        dqt_say_number(size);
        dqt_say(bytes);
        return;
    }
    text.wanted = size;
    text.loaded = false;
    dqt_say(expecting);
    dqt_say_number(size);
    dqt_say(bytes);
}

static void take_bytes(void) {
    const uint32_t digits = text.size - text.at;
    if (text.wanted == 0u) {
        dqt_say_refusal(load_first);
        return;
    }
    if (digits % 2u != 0u || digits == 0u || digits > 2u * text.wanted) {
        dqt_say_refusal(digits > 2u * text.wanted ? too_many : two_digits);
        return;
    }
    for (uint32_t i = text.at; i < text.size; i++) {
        if (nibble(text.line[i]) > 15u) {
            dqt_say_refusal(no_digit);
            return;
        }
    }
    uint8_t *to = dqt_app.text->input + dqt_input_size(dqt_app.models[0]) - text.wanted;
    for (; text.at < text.size; text.at += 2u) {
        const uint32_t byte = nibble(text.line[text.at]) << 4 | nibble(text.line[text.at + 1u]);
        *to = (uint8_t)(byte ^ dqt_app.text->flip);
        to++;
    }
    text.wanted -= digits / 2u;
    if (text.wanted == 0u) {
        text.loaded = true;
        dqt_say(load_done);
    }
}

static void results(void) {
    if (!text.answered) {
        dqt_say_refusal(no_inference);
        return;
    }
    dqt_say(results_start);
    for (uint32_t i = 0; i < text.result.output_size; i++) {
        if (i != 0u) {
            dqt_server_write(',');
        }
        dqt_say_fixed(dqt_dequantize(dqt_app.text->scale, text.result.output[i]));
    }
    dqt_say(dqt_closing);
}

/* Inferences on the loaded input, each from its first state on; false if one failed. */
static bool run(uint32_t count) {
    const dqt_model *model = dqt_app.models[0];
    const uint32_t size = dqt_input_size(model);
    text.options.choices = dqt_app.text->choices;
    text.options.hook = dqt_text_count;
    for (; count != 0u; count--) {
        uint8_t *to = dqt_input(model, dqt_app.arena);
        (void)dqt_reset(model, dqt_app.arena);
        for (uint32_t i = 0; i < size; i++) {
            to[i] = dqt_app.text->input[i];
        }
        dqt_trigger(1);
        const dqt_status status = dqt_run(model, dqt_app.arena, &text.options, &text.result);
        dqt_trigger(0);
        if (status != DQT_OK) {
            return false;
        }
    }
    return true;
}

static void infer(void) {
    const uint32_t count = at_end() ? 1u : take_number();
    const uint32_t before = at_end() ? WARM_UPS : take_number();
    if (count == 0u || count > COUNT_MAX || before > COUNT_MAX || !at_end()) {
        dqt_say_refusal(bad_counts);
        return;
    }
    if (!text.loaded || dqt_server_is_damaged()) {
        dqt_say_refusal(text.loaded ? damaged : not_loaded);
        return;
    }
    text.answered = false;
    dqt_say_line(warmup_start, before);
    bool done = run(before);
    dqt_say(warmup_done);
    dqt_say_line(infer_start, count);
    say_lap();
    done = done && run(count);
    say_lap();
    dqt_say(infer_done);
    text.answered = done;
    results();
}

static void refuse_unknown(void) {
    dqt_say(unknown);
    for (uint32_t i = 0; i < text.size && text.line[i] != ' '; i++) {
        dqt_server_write(text.line[i]);
    }
    dqt_say(dqt_closing);
}

/* Whether the command is this word alone. */
static bool is_word(const char *word) {
    text.at = 0;
    return take_word(word) && at_end();
}

/* name, profile or help, which change nothing. */
static bool answer_question(void) {
    if (is_word(word_name)) {
        name();
    } else if (is_word(word_profile)) {
        profile();
    } else if (is_word(word_help)) {
        help();
    } else {
        return false;
    }
    return true;
}

static void answer_command(void) {
    if (text.size == 0u || answer_question()) {
        return;
    }
    if (is_word(word_timestamp)) {
        say_lap();
        return;
    }
    if (is_word(word_results)) {
        results();
        return;
    }
    text.at = 0;
    if (take_word(word_infer)) {
        infer();
    } else if (take_word(word_db)) {
        if (take_word(word_load)) {
            load();
        } else {
            take_bytes();
        }
    } else {
        refuse_unknown();
    }
}

/* --- The line ----------------------------------------------------------------------------------------------------- */

/* Puts a byte that ends nothing where it belongs. */
static void keep(uint8_t byte) {
    text.begun = true;
    const bool blank = byte == ' ' || byte == '\r' || byte == '\n';
    if (text.kind != TEXT || (blank && text.size == 0u)) {
        return;
    }
    if (byte < 0x20u || byte > 0x7Eu) {
        text.kind = byte == FRAME_START && text.size == 0u ? FRAME : JUNK;
    } else if (text.size < LINE_MAX) {
        text.line[text.size++] = byte;
    } else {
        text.size = LINE_MAX + 1u;
    }
}

static void restart(void) {
    text.size = 0;
    text.at = 0;
    text.begun = false;
    text.kind = TEXT;
}

static void greet(void) {
    text.greeted = true;
    text.open = true;
    text.last = dqt_port_counter();
    dqt_say(greeting);
    dqt_say(board);
    dqt_say(greeting_end);
    say_lap();
    dqt_say(init_done);
    dqt_say(ready);
}

/* The end of a command; whether it is one. */
static bool end_command(void) {
    const bool is_line = text.kind == TEXT && text.size <= LINE_MAX;
    if (!text.open) {
        if (!is_line || !answer_question()) {
            text.kind = JUNK; /* a part of something that its end, a zero, will show to be damaged */
            return false;
        }
        text.open = true;
        text.answered = false; /* frames may have run the model meanwhile */
    } else if (is_line) {
        answer_command();
    } else {
        dqt_say_refusal(text.kind == TEXT ? too_long : no_command);
    }
    dqt_say(ready);
    restart();
    dqt_server_forget();
    return true;
}

bool dqt_text_take(int byte) {
    if (!text.greeted) {
        greet();
    }
    if (dqt_server_heard_frame()) {
        text.open = false; /* what reads is no terminal */
    }
    if (byte == '%' && text.kind != FRAME) {
        return end_command();
    }
    if (byte == 0) {
        if (text.open && text.begun) {
            dqt_server_write(0); /* parts the text that was sent from an answer */
        }
        restart();
    } else if (byte > 0) {
        keep((uint8_t)byte);
    }
    return false;
}
