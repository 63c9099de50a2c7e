/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_server.h"

#include "dqt_app.h"
#include "dqt_baud.h"
#include "dqt_board.h"
#include "dqt_crc32.h"
#include "dqt_deciding.h"
#include "dqt_frame.h"
#include "dqt_measure.h"
#include "dqt_messages.h"
#include "dqt_tables.h"
#include "dqt_text.h"
#include "dqt_trigger.h"
#include "dqt_watchdog.h"
#include "dqt_port.h"

#define FRAME_MIN (DQT_FRAME_SIZE + DQT_CRC_SIZE)
#define NO_REQUEST 0u /* type of the request in a NAK to a frame that could not be read */

#define BOARD_SIZE 16u
_Static_assert(sizeof(DQT_BOARD_ID) <= BOARD_SIZE, "the board's id is sent as 16 bytes, zero at the end");

/* Everything that a request can change. The frames themselves are in the buffers of dqt_app, sized by the exporter. */
static struct {
    const dqt_model *model;   /* the one that is served */
    const dqt_points *points; /* what it decides by, or NULL */
    uint32_t ring_head;       /* free-running; the next byte goes to ring[ring_head & (ring_size - 1)] */
    uint32_t ring_tail;
    uint32_t reply_size;   /* bytes of the kept reply, 0: none since start-up */
    uint32_t answered_crc; /* CRC of the request that the kept reply answers */
    uint32_t input_size;   /* bytes of all inputs of the model, which lie one behind another in LOADs */
    uint32_t output_size;  /* the same of its outputs, in a RESULT */
    uint32_t layers;       /* its layers, those of decision points included */
    uint32_t received;     /* bytes of the inputs received without a gap */
    uint32_t features;     /* what HELLO says of model and image, a sum of DQT_FEATURE_... */
    uint32_t streaming;    /* the states in the arena are those of a stream that a RUN has begun */
    uint32_t runs;
    uint32_t bad_frames;
    uint32_t naks;
    bool whole;                  /* a request came whole since dqt_server_heard_frame() */
    dqt_decoder decoder;         /* of requests */
    dqt_measurement measurement; /* of the run that goes on, or of the last one */
    dqt_options options;
    dqt_decided decided;
} server;

/* A buffer of its own: a NAK leaves the kept reply alone, so a repeat of the request before it still gets that. */
static uint8_t refusal[FRAME_MIN + DQT_NAK_SIZE];

static void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, value);
    put16(at + 2, value >> 16);
}

static void put64(uint8_t *at, uint64_t value) {
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        to[i] = from[i];
    }
}

/* Moves received bytes into the ring while it has room. Called between the bytes of a reply too: the host sends LOADs
 * ahead of their answers. */
static void poll_reception(void) {
    const uint32_t size = dqt_app.ring_size;
    while (server.ring_head - server.ring_tail < size) {
        int byte = dqt_port_read();
        if (byte < 0) {
            return;
        }
        dqt_app.ring[server.ring_head & (size - 1u)] = (uint8_t)byte;
        server.ring_head++;
    }
}

static int next_byte(void) {
    if (server.ring_head == server.ring_tail) {
        return dqt_port_read();
    }
    uint8_t byte = dqt_app.ring[server.ring_tail & (dqt_app.ring_size - 1u)];
    server.ring_tail++;
    return byte;
}

static void send(const uint8_t *frame, uint32_t size) {
    dqt_encoder encoder;
    dqt_encoder_init(&encoder, frame, size);
    int byte = dqt_encoder_next(&encoder);
    while (byte >= 0) {
        poll_reception();
        if (dqt_port_can_write()) {
            dqt_port_write((uint8_t)byte);
            dqt_watchdog_feed();
            byte = dqt_encoder_next(&encoder);
        }
    }
}

/* Writes header and CRC round a payload that lies in the frame already; returns the frame's size. */
static uint32_t seal(uint8_t *frame, uint32_t type, uint32_t sequence, uint32_t payload_size) {
    frame[DQT_FRAME_TYPE_OFFSET] = (uint8_t)type;
    frame[DQT_FRAME_FLAGS_OFFSET] = 0;
    put16(frame + DQT_FRAME_SEQUENCE_OFFSET, sequence);
    put16(frame + DQT_FRAME_LENGTH_OFFSET, payload_size);
    uint32_t size = DQT_FRAME_SIZE + payload_size;
    put32(frame + size, dqt_crc32(0, frame, size));
    return size + DQT_CRC_SIZE;
}

static void refuse(uint32_t sequence, uint32_t type, uint32_t code, uint32_t detail) {
    uint8_t *payload = refusal + DQT_FRAME_SIZE;
    payload[DQT_NAK_CODE_OFFSET] = (uint8_t)code;
    payload[DQT_NAK_REQUEST_OFFSET] = (uint8_t)type;
    put16(payload + DQT_NAK_RESERVED_OFFSET, 0);
    put32(payload + DQT_NAK_DETAIL_OFFSET, detail);
    server.naks++;
    send(refusal, seal(refusal, DQT_TYPE_NAK, sequence, DQT_NAK_SIZE));
}

static void refuse_frame(void) {
    server.bad_frames++;
    refuse(DQT_NO_SEQUENCE, NO_REQUEST, DQT_NAK_BAD_FRAME, 0);
}

static dqt_outcome refused(uint32_t code, uint32_t detail) {
    return (dqt_outcome){.code = code, .detail = detail, .payload_size = 0};
}

static dqt_outcome answered(uint32_t payload_size) {
    return (dqt_outcome){.code = 0, .detail = 0, .payload_size = payload_size};
}

static uint32_t bytes_of(const dqt_place *places, uint32_t count) {
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += places[i].size;
    }
    return bytes;
}

/* Says whether what is in flash is what was built: by the CRC of the whole image, or where the build wrote none, by
 * that of the weights of the model that is served. */
static void inspect(void) {
    const dqt_model *model = server.model;
    const dqt_image_state image = dqt_port_check_image();
    const uint32_t whole = image == DQT_IMAGE_UNSEALED ? dqt_check_weights(model) == DQT_OK : image == DQT_IMAGE_WHOLE;
    server.features =
        (dqt_has_controller(model) ? DQT_FEATURE_CONTROLLER : 0u) | (model->states != NULL ? DQT_FEATURE_STATES : 0u) |
        (image != DQT_IMAGE_UNSEALED ? DQT_FEATURE_CHECKED : 0u) | (dqt_app.baud != NULL ? DQT_FEATURE_BAUD : 0u) |
        (whole != 0u ? 0u : DQT_FEATURE_DAMAGED) | (server.points != NULL ? DQT_FEATURE_SETTINGS : 0u) |
        (server.points != NULL && server.points->second != DQT_NONE ? DQT_FEATURE_SECOND_PASS : 0u);
}

/* The models share one arena, so a loaded input and the states are forgotten. */
static void serve(uint32_t index) {
    const dqt_model *model = dqt_app.models[index];
    server.model = model;
    server.points = dqt_app.deciding != NULL ? dqt_app.deciding->points[index] : NULL;
    server.layers = model->layer_count + (server.points != NULL ? server.points->layer_count : 0u);
    inspect();
    server.input_size = bytes_of(model->inputs, model->input_count);
    server.output_size = bytes_of(model->outputs, model->output_count);
    server.received = 0;
    server.streaming = 0;
}

static dqt_outcome hello(uint8_t *out) {
    static const uint8_t board[BOARD_SIZE] = DQT_BOARD_ID; /* all 16 bytes: the code has one size for every id */
    const dqt_model *model = server.model;
    for (uint32_t i = 0; i < DQT_HELLO_REPLY_SIZE; i++) {
        out[i] = 0;
    }
    put16(out + DQT_HELLO_REPLY_PROTOCOL_OFFSET, DQT_PROTOCOL);
    put16(out + DQT_HELLO_REPLY_ADAPTIVE_OFFSET, model->adaptive_count);
    put16(out + DQT_HELLO_REPLY_LAYERS_OFFSET, server.layers);
    out[DQT_HELLO_REPLY_CANDIDATES_OFFSET] = model->candidate_max;
    out[DQT_HELLO_REPLY_WINDOW_OFFSET] = (uint8_t)dqt_app.load_window;
    put16(out + DQT_HELLO_REPLY_MAX_PAYLOAD_OFFSET, dqt_app.receive_max);
    out[DQT_HELLO_REPLY_FEATURES_OFFSET] = (uint8_t)server.features;
    out[DQT_HELLO_REPLY_MODELS_OFFSET] = (uint8_t)dqt_app.model_count;
    put32(out + DQT_HELLO_REPLY_INPUT_SIZE_OFFSET, server.input_size);
    put32(out + DQT_HELLO_REPLY_OUTPUT_SIZE_OFFSET, server.output_size);
    if (server.points != NULL) {
        out[DQT_HELLO_REPLY_POINTS_OFFSET] = server.points->count;
        out[DQT_HELLO_REPLY_TUNED_OFFSET] = server.points->tuned_count;
    }
    out[DQT_HELLO_REPLY_RESTART_OFFSET] = (uint8_t)dqt_port_restart()->cause;
    copy(out + DQT_HELLO_REPLY_BOARD_OFFSET, board, sizeof board);
    copy(out + DQT_HELLO_REPLY_MODEL_OFFSET, model->hash, sizeof model->hash);
    return answered(DQT_HELLO_REPLY_SIZE);
}

/* Serves another model from now on. */
static dqt_outcome select_model(const uint8_t *payload, uint32_t size, uint8_t *out) {
    if (size != DQT_SELECT_SIZE) {
        return refused(DQT_NAK_BAD_LENGTH, DQT_SELECT_SIZE);
    }
    const uint32_t index = dqt_get16(payload + DQT_SELECT_MODEL_OFFSET);
    if (index >= dqt_app.model_count) {
        return refused(DQT_NAK_NO_MODEL, dqt_app.model_count);
    }
    serve(index);
    return hello(out);
}

/* Writes bytes of a message to where they belong: offset counts from the first input to the last. */
static void put_inputs(uint32_t offset, const uint8_t *from, uint32_t count) {
    const dqt_place *place = server.model->inputs;
    for (; count != 0u; place++) {
        if (offset >= place->size) {
            offset -= place->size;
            continue;
        }
        const uint32_t part = count < place->size - offset ? count : place->size - offset;
        copy(dqt_app.arena + place->offset + offset, from, part);
        from += part;
        count -= part;
        offset = 0;
    }
}

static dqt_outcome load(const uint8_t *payload, uint32_t size, uint8_t *out) {
    if (size <= DQT_LOAD_SIZE) {
        return refused(DQT_NAK_BAD_LENGTH, DQT_LOAD_SIZE + 1u);
    }
    uint32_t offset = dqt_get32(payload + DQT_LOAD_OFFSET_OFFSET);
    uint32_t count = size - DQT_LOAD_SIZE;
    if (offset > server.received) {
        return refused(DQT_NAK_BAD_OFFSET, server.received);
    }
    if (count > server.input_size - offset) { /* offset <= server.received <= input_size */
        return refused(DQT_NAK_BAD_LENGTH, DQT_LOAD_SIZE + server.input_size - offset);
    }
    put_inputs(offset, payload + DQT_LOAD_SIZE, count);
    if (offset == 0 || offset + count > server.received) {
        server.received = offset + count;
    }
    put32(out + DQT_LOAD_REPLY_RECEIVED_OFFSET, server.received);
    return answered(DQT_LOAD_REPLY_SIZE);
}

/* Both through dqt_app, so that models without settings link none of what serves them; and in functions of their own,
 * from which the exporter follows the calls to know the stack. */
dqt_outcome dqt_server_take_setting(const uint8_t *payload, uint32_t size);
dqt_status dqt_server_run_setting(void);

__attribute__((noinline)) dqt_outcome dqt_server_take_setting(const uint8_t *payload, uint32_t size) {
    return dqt_app.deciding->take(server.points, payload, size);
}

__attribute__((noinline)) dqt_status dqt_server_run_setting(void) {
    return dqt_app.deciding->run(server.points, &server.measurement, &server.decided);
}

/* Checks who decides in a RUN, of at least DQT_RUN_SIZE bytes. */
static dqt_outcome check_policy(const uint8_t *payload, uint32_t size) {
    const dqt_model *model = server.model;
    const uint32_t policy = payload[DQT_RUN_POLICY_OFFSET];
    const uint32_t count = dqt_get16(payload + DQT_RUN_COUNT_OFFSET);
    if (policy > DQT_POLICY_VECTOR) {
        return server.points != NULL ? dqt_server_take_setting(payload, size) : refused(DQT_NAK_NO_SETTINGS, 0);
    }
    if (policy == DQT_POLICY_CONTROLLER && !dqt_has_controller(model)) {
        return refused(DQT_NAK_NO_CONTROLLER, 0);
    }
    /* VECTOR: choices, a byte each. CONTROLLER: biases, four bytes each, one for each candidate or none. */
    const uint32_t vector = policy == DQT_POLICY_VECTOR;
    const uint32_t wanted = vector ? model->adaptive_count : count != 0u ? model->candidate_max : 0u;
    const uint32_t bytes = vector ? wanted : 4u * wanted;
    if (count != wanted || size != DQT_RUN_SIZE + bytes) {
        return refused(DQT_NAK_BAD_LENGTH, DQT_RUN_SIZE + bytes);
    }
    for (uint32_t i = 0; vector && i < wanted; i++) {
        if (payload[DQT_RUN_SIZE + i] >= dqt_candidate_count(model, i)) {
            return refused(DQT_NAK_BAD_CHOICE, i);
        }
    }
    return answered(0);
}

/* CRC-32 of the model's hash and, behind it, of the inputs as they lie in the arena: a host that does not know of a
 * restart may mean another model of the image. */
static uint32_t crc_of_inputs(void) {
    uint32_t crc = dqt_crc32(0, server.model->hash, sizeof server.model->hash);
    for (uint32_t i = 0; i < server.model->input_count; i++) {
        const dqt_place *place = &server.model->inputs[i];
        crc = dqt_crc32(crc, dqt_app.arena + place->offset, place->size);
    }
    return crc;
}

/* Checks a RUN completely before anything is executed. */
static dqt_outcome check_run(const uint8_t *payload, uint32_t size) {
    if ((server.features & DQT_FEATURE_DAMAGED) != 0u) {
        return refused(DQT_NAK_DAMAGED, 0);
    }
    if (size < DQT_RUN_SIZE) {
        return refused(DQT_NAK_BAD_LENGTH, DQT_RUN_SIZE);
    }
    const uint32_t policy = payload[DQT_RUN_POLICY_OFFSET];
    const uint32_t flags = payload[DQT_RUN_FLAGS_OFFSET];
    if (policy > DQT_POLICY_AGREEMENT || (flags & ~(DQT_RUN_COUNTS | DQT_RUN_CHECKSUMS | DQT_RUN_START)) != 0) {
        return refused(DQT_NAK_BAD_POLICY, policy | (flags << 8));
    }
    const dqt_outcome verdict = check_policy(payload, size);
    if (verdict.code != 0) {
        return verdict;
    }
    if (server.received != server.input_size) {
        return refused(DQT_NAK_INPUT_INCOMPLETE, server.received);
    }
    const uint32_t crc = crc_of_inputs();
    if (crc != dqt_get32(payload + DQT_RUN_INPUT_CRC_OFFSET)) {
        return refused(DQT_NAK_OTHER_INPUT, crc);
    }
    if (server.model->states != NULL && !server.streaming && (flags & DQT_RUN_START) == 0u) {
        return refused(DQT_NAK_NO_STREAM, 0);
    }
    return answered(0);
}

/* Copies the biases of a checked RUN into dqt_app.bias, because the frame need not be aligned; NULL if it has none. */
static const int32_t *biases(const uint8_t *payload) {
    const uint32_t count = dqt_get16(payload + DQT_RUN_COUNT_OFFSET);
    for (uint32_t k = 0; k < count; k++) {
        dqt_app.bias[k] = (int32_t)dqt_get32(payload + DQT_RUN_SIZE + 4u * k);
    }
    return count != 0u ? dqt_app.bias : NULL;
}

/* Runs a checked RUN whose widths are given or the controller's. */
static dqt_status run_widths(const uint8_t *payload) {
    const uint32_t vector = payload[DQT_RUN_POLICY_OFFSET] == DQT_POLICY_VECTOR;
    server.options.choices = vector ? payload + DQT_RUN_SIZE : NULL;
    server.options.bias = vector ? NULL : biases(payload);
    server.options.hook = dqt_measure_layer;
    server.options.context = &server.measurement;
    server.decided.point = server.points != NULL ? server.points->count : 0u;
    server.decided.passes = 1;
    server.decided.margin = 0;
    return dqt_run(server.model, dqt_app.arena, &server.options, &server.decided.result);
}

static dqt_outcome run(const uint8_t *payload, uint32_t size, uint8_t *out) {
    dqt_outcome verdict = check_run(payload, size);
    if (verdict.code != 0) {
        return verdict;
    }
    const dqt_model *model = server.model;
    const uint32_t policy = payload[DQT_RUN_POLICY_OFFSET];
    const uint32_t flags = payload[DQT_RUN_FLAGS_OFFSET];
    /* Not on the stack, whose deepest point is in a kernel below this. */
    server.measurement.counts = dqt_app.counts;
    server.measurement.checksums = dqt_app.checksums;
    server.measurement.with_checksums = (flags & DQT_RUN_CHECKSUMS) != 0u;
    if ((flags & DQT_RUN_START) != 0u) {
        (void)dqt_reset(model, dqt_app.arena);
        server.streaming = 1;
    }
    dqt_trigger(1);
    dqt_measurement_start(&server.measurement, server.layers);
    const dqt_status status = policy > DQT_POLICY_VECTOR ? dqt_server_run_setting() : run_widths(payload);
    dqt_trigger(0);
    const dqt_decided *decided = &server.decided;
    server.measurement.place = DQT_FAULT_OUTSIDE;
    server.received = 0; /* the run has overwritten the input */
    if (status != DQT_OK) {
        return refused(DQT_NAK_FAILED, (uint32_t)status); /* cannot happen behind check_run() */
    }
    server.runs++;

    out[DQT_RESULT_POLICY_OFFSET] = (uint8_t)policy;
    out[DQT_RESULT_FLAGS_OFFSET] = (uint8_t)flags;
    put16(out + DQT_RESULT_ADAPTIVE_OFFSET, model->adaptive_count);
    put16(out + DQT_RESULT_LAYERS_OFFSET, server.layers);
    out[DQT_RESULT_POINT_OFFSET] = (uint8_t)decided->point;
    out[DQT_RESULT_PASSES_OFFSET] = (uint8_t)decided->passes;
    put32(out + DQT_RESULT_OUTPUT_SIZE_OFFSET, server.output_size);
    put32(out + DQT_RESULT_MARGIN_OFFSET, decided->margin);
    put64(out + DQT_RESULT_TOTAL_OFFSET, server.measurement.total);
    uint32_t at = DQT_RESULT_SIZE;
    copy(out + at, decided->result.choices, decided->result.choice_count);
    at += decided->result.choice_count;
    for (uint32_t i = 0; i < model->output_count; i++) {
        copy(out + at, dqt_app.arena + model->outputs[i].offset, model->outputs[i].size);
        at += model->outputs[i].size;
    }
    for (uint32_t i = 0; (flags & DQT_RUN_COUNTS) != 0 && i < server.layers; i++) {
        put64(out + at, dqt_app.counts[i]);
        at += 8u;
    }
    for (uint32_t i = 0; (flags & DQT_RUN_CHECKSUMS) != 0 && i < server.layers; i++) {
        put32(out + at, dqt_app.checksums[i]);
        at += 4u;
    }
    return answered(at);
}

static dqt_outcome statistics(uint8_t *out) {
    put32(out + DQT_STATS_REPLY_RUNS_OFFSET, server.runs);
    put32(out + DQT_STATS_REPLY_BAD_FRAMES_OFFSET, server.bad_frames);
    put32(out + DQT_STATS_REPLY_NAKS_OFFSET, server.naks);
    put32(out + DQT_STATS_REPLY_STACK_USED_OFFSET, dqt_port_stack_used());
    return answered(DQT_STATS_REPLY_SIZE);
}

static dqt_outcome last_fault(uint8_t *out) {
    const dqt_restart *known = dqt_port_restart();
    put32(out + DQT_FAULT_REPLY_FAULTS_OFFSET, known->faults);
    put32(out + DQT_FAULT_REPLY_PC_OFFSET, known->pc);
    put32(out + DQT_FAULT_REPLY_LR_OFFSET, known->lr);
    put32(out + DQT_FAULT_REPLY_STATUS_OFFSET, known->status);
    out[DQT_FAULT_REPLY_EXCEPTION_OFFSET] = (uint8_t)known->exception;
    out[DQT_FAULT_REPLY_RESTART_OFFSET] = (uint8_t)known->cause;
    put16(out + DQT_FAULT_REPLY_PLACE_OFFSET, known->place);
    return answered(DQT_FAULT_REPLY_SIZE);
}

/* Through dqt_app, as settings are. */
dqt_outcome dqt_server_ask_baud(const uint8_t *payload, uint32_t size, uint8_t *out);

__attribute__((noinline)) dqt_outcome dqt_server_ask_baud(const uint8_t *payload, uint32_t size, uint8_t *out) {
    return dqt_app.baud->ask(payload, size, out);
}

static dqt_outcome execute(uint32_t type, const uint8_t *payload, uint32_t size, uint8_t *out) {
    switch (type) {
    case DQT_TYPE_LOAD:
        return load(payload, size, out);
    case DQT_TYPE_RUN:
        return run(payload, size, out);
    case DQT_TYPE_SELECT:
        return select_model(payload, size, out);
    case DQT_TYPE_SET_BAUD:
        return dqt_app.baud != NULL ? dqt_server_ask_baud(payload, size, out) : refused(DQT_NAK_BAD_BAUD, 0);
    case DQT_TYPE_HELLO:
    case DQT_TYPE_STATS:
    case DQT_TYPE_RESET:
    case DQT_TYPE_FAULT:
        break;
    default:
        return refused(DQT_NAK_UNKNOWN_TYPE, type);
    }
    if (size != 0) {
        return refused(DQT_NAK_BAD_LENGTH, 0);
    }
    if (type == DQT_TYPE_HELLO) {
        inspect();
        return hello(out);
    }
    if (type == DQT_TYPE_FAULT) {
        return last_fault(out);
    }
    return type == DQT_TYPE_STATS ? statistics(out) : answered(0);
}

void dqt_server_write(uint8_t byte) {
    do {
        poll_reception();
    } while (!dqt_port_can_write());
    dqt_port_write(byte);
    dqt_watchdog_feed();
}

/* Not inline: in its three places that takes 120 bytes. */
static __attribute__((noinline)) void forget_frame(void) {
    dqt_decoder_init(&server.decoder, dqt_app.receive, FRAME_MIN + dqt_app.receive_max);
}

bool dqt_server_tell_baud(dqt_baud_event event);

__attribute__((noinline)) bool dqt_server_tell_baud(dqt_baud_event event) {
    return dqt_app.baud->tell(event);
}

static void tell_baud(dqt_baud_event event) {
    if (dqt_app.baud != NULL && dqt_server_tell_baud(event)) {
        server.ring_tail = server.ring_head; /* it came at another rate */
        forget_frame();
    }
}

void dqt_server_forget(void) {
    forget_frame();
    server.received = 0;
    server.streaming = 0;
}

bool dqt_server_heard_frame(void) {
    const bool heard = server.whole;
    server.whole = false;
    return heard;
}

bool dqt_server_is_damaged(void) {
    return (server.features & DQT_FEATURE_DAMAGED) != 0u;
}

/* Through dqt_app, as settings are. */
bool dqt_server_take_text(int byte);

__attribute__((noinline)) bool dqt_server_take_text(int byte) {
    return dqt_app.text->take(byte);
}

static void handle(const uint8_t *request, uint32_t frame_size) {
    if (frame_size < FRAME_MIN) {
        refuse_frame();
        return;
    }
    const uint32_t body = frame_size - DQT_CRC_SIZE;
    const uint32_t size = body - DQT_FRAME_SIZE;
    const uint32_t crc = dqt_get32(request + body);
    const uint32_t sequence = dqt_get16(request + DQT_FRAME_SEQUENCE_OFFSET);
    if (crc != dqt_crc32(0, request, body) || size != dqt_get16(request + DQT_FRAME_LENGTH_OFFSET) ||
        request[DQT_FRAME_FLAGS_OFFSET] != 0 || sequence == DQT_NO_SEQUENCE) {
        refuse_frame();
        return;
    }
    server.whole = true;
    tell_baud(DQT_BAUD_FRAME);
    const uint32_t type = request[DQT_FRAME_TYPE_OFFSET];
    uint8_t *reply = dqt_app.reply;
    /* Same sequence number and CRC: the host repeats a request whose answer was lost. It gets the kept answer, because
     * a second execution could give another one. */
    const uint32_t repeated = server.reply_size != 0 && crc == server.answered_crc &&
                              sequence == dqt_get16(reply + DQT_FRAME_SEQUENCE_OFFSET);
    if (!repeated) {
        /* Handlers write to the reply only when nothing can be refused any more. */
        const dqt_outcome done = execute(type, request + DQT_FRAME_SIZE, size, reply + DQT_FRAME_SIZE);
        if (done.code != 0) {
            refuse(sequence, type, done.code, done.detail);
            return;
        }
        server.reply_size = seal(reply, type | 0x80u, sequence, done.payload_size);
        server.answered_crc = crc;
    }
    send(reply, server.reply_size);
    if (type == DQT_TYPE_RESET) {
        dqt_port_reset();
    }
    if (type == DQT_TYPE_SET_BAUD) {
        tell_baud(DQT_BAUD_ANSWERED);
    }
}

void dqt_server_run(void) {
    uint8_t *request = dqt_app.receive;
    forget_frame();
    server.measurement.place = DQT_FAULT_OUTSIDE;
    dqt_port_watch(&server.measurement.place);
    serve(0);
    for (;;) {
        dqt_watchdog_feed();
        int byte = next_byte();
        if (dqt_app.text != NULL && dqt_server_take_text(byte)) {
            continue;
        }
        if (byte < 0) {
            dqt_port_wait();
            continue;
        }
        dqt_decode_result result = dqt_decoder_feed(&server.decoder, (uint8_t)byte);
        if (result == DQT_DECODE_FRAME) {
            handle(request, server.decoder.size);
        } else if (result == DQT_DECODE_BAD) {
            refuse_frame();
        }
        if (byte == 0) {
            tell_baud(DQT_BAUD_ZERO);
        }
    }
}
