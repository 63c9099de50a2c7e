/* The serial server of an exported project under mutated requests, in this process: with AddressSanitizer and
 * UndefinedBehaviorSanitizer, guided by which parts of the server a case reaches.
 *
 *   fuzz_device CASES SEED FOLDER [FILE...]
 *
 * Files are cases to begin with. Cases that reached something new are written to FOLDER, and the one that failed as
 * FOLDER/failed. Prints how many cases ran, how many are kept, how many places were reached, how many inferences frames
 * asked for, and how many commands of text were answered.
 *
 * A case is a row of records: an operation, two bytes of length, that many bytes. The operation is the type of a
 * message whose payload the bytes are; or RAW, bytes as they are on the line; or AGAIN, the last frame once more. A RUN
 * with the bit MEANT gets the CRC of what was loaded, which chance would never find. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dqt_app.h"
#include "dqt_baud.h"
#include "dqt_crc32.h"
#include "dqt_frame.h"
#include "dqt_messages.h"
#include "dqt_port.h"
#include "dqt_server.h"
#include "fuzz_device.h"

#define RAW 0xF0u
#define AGAIN 0xF1u
#define MEANT 0x40u
#define DIVIDED 16000000u /* the clock of the line */

#define CASE_MAX 2048u
#define KEPT_MAX 4096u
#define FRAME_MAX 70000u
#define PLACES 65536u
#define FIRST_SEQUENCE 1000u
#define PATIENCE 300u /* seconds for a hundred cases, on however busy a machine */

typedef struct {
    uint32_t size;
    uint8_t bytes[CASE_MAX];
} fuzz_case;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*callback)(void));

const uint64_t dqt_port_counter_mask = UINT64_MAX;

static fuzz_case kept[KEPT_MAX], now;
static uint32_t kept_count;
static const char *folder;

static uint8_t reached[PLACES], seen[PLACES];
static uintptr_t last_place;

static jmp_buf over;
static uint32_t at;                  /* of the next record */
static uint8_t line[2u * FRAME_MAX]; /* a frame on its way to the device */
static uint32_t line_size, line_at;
static uint8_t answer[2u * FRAME_MAX], decoded[FRAME_MAX]; /* one on its way back */
static uint32_t answer_size, answers, delimiters, sequence;
static uint32_t inferences, turns;

/* --- What a case reaches ------------------------------------------------------------------------------------------ */

void __sanitizer_cov_trace_pc(void) {
    const uintptr_t place = (uintptr_t)__builtin_return_address(0);
    const uintptr_t edge = (place ^ (last_place << 3)) % PLACES;
    if (seen[edge] < UINT8_MAX) {
        seen[edge]++;
    }
    last_place = place;
}

/* A place counts once for once, once for some times, and once for many. */
static uint8_t grade(uint8_t times) {
    return times == 0 ? 0u : times == 1 ? 1u : times < 8 ? 2u : 4u;
}

static bool reached_something_new(void) {
    bool found = false;
    for (uint32_t i = 0; i < PLACES; i++) {
        const uint8_t mark = grade(seen[i]);
        found = found || (mark & ~reached[i]) != 0;
        reached[i] |= mark;
    }
    return found;
}

/* --- What fails --------------------------------------------------------------------------------------------------- */

static void write_case(const char *name, const fuzz_case *made) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(made->bytes, 1, made->size, file) != made->size || fclose(file) != 0) {
        perror(path);
    }
}

static void keep_failed(void) {
    write_case("failed", &now);
}

static void require(bool holds, const char *what) {
    if (!holds) {
        (void)fprintf(stderr, "fuzz_device: %s\n", what);
        keep_failed();
        abort();
    }
}

static void too_long(int signal_number) {
    (void)signal_number;
    require(false, "the server did not come back");
}

/* --- The line ----------------------------------------------------------------------------------------------------- */

static void put_frame(uint32_t type, const uint8_t *payload, uint32_t size) {
    uint8_t frame[DQT_FRAME_SIZE + CASE_MAX + DQT_CRC_SIZE] = {0};
    uint8_t *data = frame + DQT_FRAME_SIZE;
    frame[DQT_FRAME_TYPE_OFFSET] = (uint8_t)type;
    frame[DQT_FRAME_SEQUENCE_OFFSET] = (uint8_t)sequence;
    frame[DQT_FRAME_SEQUENCE_OFFSET + 1] = (uint8_t)(sequence >> 8);
    frame[DQT_FRAME_LENGTH_OFFSET] = (uint8_t)size;
    frame[DQT_FRAME_LENGTH_OFFSET + 1] = (uint8_t)(size >> 8);
    memcpy(data, payload, size);
    if (type == (DQT_TYPE_RUN | MEANT)) {
        frame[DQT_FRAME_TYPE_OFFSET] = DQT_TYPE_RUN;
        const uint32_t crc = fuzz_input_crc();
        for (uint32_t i = 0; i < 4u && DQT_RUN_INPUT_CRC_OFFSET + i < size; i++) {
            data[DQT_RUN_INPUT_CRC_OFFSET + i] = (uint8_t)(crc >> (8u * i));
        }
    }
    const uint32_t total = DQT_FRAME_SIZE + size;
    const uint32_t crc = dqt_crc32(0, frame, total);
    for (uint32_t i = 0; i < DQT_CRC_SIZE; i++) {
        frame[total + i] = (uint8_t)(crc >> (8u * i));
    }
    dqt_encoder encoder;
    dqt_encoder_init(&encoder, frame, total + DQT_CRC_SIZE);
    line_size = 0;
    for (int byte = dqt_encoder_next(&encoder); byte >= 0; byte = dqt_encoder_next(&encoder)) {
        line[line_size++] = (uint8_t)byte;
    }
    sequence++;
}

/* Puts the next record on the line; false at the end. */
static bool next_record(void) {
    if (now.size - at < 3u) {
        return false;
    }
    const uint32_t type = now.bytes[at];
    const uint32_t stated = now.bytes[at + 1] | ((uint32_t)now.bytes[at + 2] << 8);
    at += 3u;
    const uint32_t size = stated < now.size - at ? stated : now.size - at;
    if (type == RAW) {
        memcpy(line, now.bytes + at, size);
        line_size = size;
    } else if (type != AGAIN) {
        put_frame(type, now.bytes + at, size);
    }
    at += size;
    line_at = 0;
    return true;
}

int dqt_port_read(void) {
    while (line_at == line_size) {
        if (!next_record()) {
            return -1;
        }
    }
    const uint8_t byte = line[line_at++];
    delimiters += byte == 0;
    return byte;
}

void dqt_port_wait(void) {
    require(fuzz_is_sound(), "the server's variables are not sound");
    if (at + 3u > now.size && line_at == line_size) {
        longjmp(over, 1);
    }
}

int dqt_port_can_write(void) {
    return 1;
}

/* An answer: it must be a frame, to a request that was sent, and of a type that there is. */
static void check_answer(void) {
    dqt_decoder decoder;
    dqt_decoder_init(&decoder, decoded, sizeof decoded);
    dqt_decode_result result = DQT_DECODE_MORE;
    for (uint32_t i = 0; i < answer_size; i++) {
        result = dqt_decoder_feed(&decoder, answer[i]);
    }
    require(result == DQT_DECODE_FRAME && decoder.size >= DQT_FRAME_SIZE + DQT_CRC_SIZE, "an answer is no frame");
    const uint32_t body = decoder.size - DQT_CRC_SIZE;
    require(dqt_get32(decoded + body) == dqt_crc32(0, decoded, body), "an answer has a wrong CRC");
    require(dqt_get16(decoded + DQT_FRAME_LENGTH_OFFSET) == body - DQT_FRAME_SIZE, "an answer has a wrong length");
    const uint32_t type = decoded[DQT_FRAME_TYPE_OFFSET], number = dqt_get16(decoded + DQT_FRAME_SEQUENCE_OFFSET);
    require(type == DQT_TYPE_NAK || (type > 0x80u && type <= DQT_TYPE_SET_BAUD_REPLY), "an answer has an unknown type");
    const uint32_t code = type == DQT_TYPE_NAK ? decoded[DQT_FRAME_SIZE + DQT_NAK_CODE_OFFSET] : 0u;
    require(code != DQT_NAK_FAILED, "an inference failed behind its checks");
    require((code == DQT_NAK_BAD_FRAME) == (number == DQT_NO_SEQUENCE), "an answer has a wrong sequence number");
    answers++;
    inferences += type == DQT_TYPE_RESULT;
    require(answers <= delimiters, "more answers than frames");
}

/* Text that was sent: printable lines, whole where anything else follows. Frames begin with 2. */
static bool is_text(void) {
    return answer[0] != 2u;
}

static void check_text(void) {
    for (uint32_t i = 0; i + 1u < answer_size; i++) {
        const uint8_t byte = answer[i];
        require((byte >= 0x20u && byte <= 0x7Eu) || byte == '\r' || byte == '\n', "text has another byte");
    }
    require(answer_size == 1u || answer[answer_size - 2u] == '\n', "a frame follows half a line");
}

void dqt_port_write(uint8_t byte) {
    require(answer_size < sizeof answer, "an answer has no end");
    answer[answer_size++] = byte;
    if (byte == 0) {
        if (is_text()) {
            check_text();
        } else {
            check_answer();
        }
        answer_size = 0;
    } else if (answer_size >= 9u && memcmp(answer + answer_size - 9u, "m-ready\r\n", 9) == 0) {
        turns++;
    }
}

/* A divider of even numbers, which cannot give every rate well. */
uint32_t dqt_port_baud(uint32_t baud) {
    return baud == 0u ? 0u : DIVIDED / (DIVIDED / baud & ~1u);
}

void dqt_port_set_baud(uint32_t baud) {
    require(baud <= dqt_app.baud->max, "the line gets a rate that it cannot have");
}

uint64_t dqt_port_counter(void) {
    static uint64_t ticks;
    return ++ticks;
}

void dqt_port_reset(void) {
    longjmp(over, 1);
}

dqt_image_state dqt_port_check_image(void) {
    return DQT_IMAGE_WHOLE;
}

const dqt_restart *dqt_port_restart(void) {
    static const dqt_restart nothing;
    return &nothing;
}

void dqt_port_watch(const uint32_t *word) {
    (void)word;
}

uint32_t dqt_port_stack_used(void) {
    return 0;
}

/* --- Cases -------------------------------------------------------------------------------------------------------- */

static uint64_t state;

static uint32_t below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % limit);
}

static void run_case(void) {
    memset(seen, 0, sizeof seen);
    last_place = 0;
    at = line_size = line_at = answer_size = answers = delimiters = 0;
    sequence = FIRST_SEQUENCE;
    fuzz_forget();
    if (setjmp(over) == 0) {
        dqt_server_run();
    }
}

static void keep(void) {
    if (kept_count < KEPT_MAX) {
        kept[kept_count++] = now;
    }
}

/* Removes some bytes and puts others in their place, as far as there is room. */
static void splice(uint32_t from, uint32_t gone, const uint8_t *put, uint32_t size) {
    if (now.size - gone + size <= CASE_MAX) {
        memmove(now.bytes + from + size, now.bytes + from + gone, now.size - from - gone);
        memcpy(now.bytes + from, put, size);
        now.size = now.size - gone + size;
    }
}

static uint32_t random_record(const fuzz_case *made, uint32_t *size) {
    uint32_t from = 0, place = 0, found = 0;
    *size = 0;
    while (made->size - place >= 3u) {
        const uint32_t stated = 3u + made->bytes[place + 1] + ((uint32_t)made->bytes[place + 2] << 8);
        const uint32_t whole = stated < made->size - place ? stated : made->size - place;
        found++;
        if (below(found) == 0) {
            from = place;
            *size = whole;
        }
        place += whole;
    }
    return from;
}

static void mutate_once(void) {
    static const uint32_t values[] = {0,      1,      2,       3,          4,          7,         8,    63,
                                      64,     127,    128,     254,        255,        256,       1000, 0x7FFF,
                                      0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    uint8_t copy[CASE_MAX];
    uint32_t size = 0;
    const uint32_t place = below(now.size);
    const fuzz_case *other = &kept[below(kept_count)];
    switch (below(9)) {
    case 0:
        now.bytes[place] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        now.bytes[place] = (uint8_t)below(256);
        break;
    case 2: { /* a number, of one, two or four bytes */
        const uint32_t value = values[below(sizeof values / sizeof values[0])], width = 1u << below(3);
        for (uint32_t i = 0; i < width && place + i < now.size; i++) {
            now.bytes[place + i] = (uint8_t)(value >> (8u * i));
        }
        break;
    }
    case 3:
        copy[0] = (uint8_t)below(256);
        splice(place, 0, copy, 1);
        break;
    case 4:
        splice(place, 1, copy, 0);
        break;
    case 5: { /* a record twice */
        const uint32_t from = random_record(&now, &size);
        memcpy(copy, now.bytes + from, size);
        splice(from, 0, copy, size);
        break;
    }
    case 6: { /* a record less */
        const uint32_t from = random_record(&now, &size);
        splice(from, size, copy, 0);
        break;
    }
    case 7: { /* a record of another case before one of this */
        const uint32_t from = random_record(other, &size);
        uint32_t unused;
        splice(random_record(&now, &unused), 0, other->bytes + from, size);
        break;
    }
    default: { /* a record's type */
        static const uint8_t types[] = {DQT_TYPE_HELLO, DQT_TYPE_LOAD,   DQT_TYPE_RUN,   DQT_TYPE_RUN | MEANT,
                                        DQT_TYPE_STATS, DQT_TYPE_SELECT, DQT_TYPE_FAULT, RAW,
                                        AGAIN};
        const uint32_t from = random_record(&now, &size);
        if (size != 0) {
            now.bytes[from] = types[below(sizeof types)];
        }
    }
    }
    if (now.size == 0) {
        now.bytes[now.size++] = DQT_TYPE_HELLO;
    }
}

static bool read_case(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    now.size = (uint32_t)fread(now.bytes, 1, CASE_MAX, file);
    (void)fclose(file);
    return now.size > 0;
}

int main(int count, char **arguments) {
    if (count < 4) {
        (void)fputs("fuzz_device CASES SEED FOLDER [FILE...]\n", stderr);
        return 2;
    }
    const uint32_t cases = (uint32_t)strtoul(arguments[1], NULL, 10);
    state = strtoull(arguments[2], NULL, 10) * 2u + 1u;
    folder = arguments[3];
    __sanitizer_set_death_callback(keep_failed);
    (void)signal(SIGALRM, too_long);
    for (int i = 4; i < count; i++) {
        if (!read_case(arguments[i])) {
            return 2;
        }
        (void)alarm(PATIENCE);
        run_case();
        if (reached_something_new()) {
            keep();
        }
    }
    if (kept_count == 0) {
        now = (fuzz_case){.size = 3, .bytes = {DQT_TYPE_HELLO, 0, 0}};
        keep();
    }
    for (uint32_t i = 0; i < cases; i++) {
        if (i % 100u == 0) {
            (void)alarm(PATIENCE);
        }
        now = kept[below(kept_count)];
        for (uint32_t changes = 1u + below(6); changes > 0; changes--) {
            mutate_once();
        }
        run_case();
        if (reached_something_new()) {
            keep();
        }
    }
    uint32_t places = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        places += reached[i] != 0;
    }
    for (uint32_t i = 0; i < kept_count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%04u", i);
        write_case(name, &kept[i]);
    }
    (void)printf("%u cases, %u kept, %u places, %u inferences, %u turns\n", cases, kept_count, places, inferences,
                 turns);
    return 0;
}
