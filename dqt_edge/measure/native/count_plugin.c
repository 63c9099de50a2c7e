/* QEMU plugin (API version 1): exact counts of executed instructions between visits of marked addresses.
 *
 *   -plugin count_plugin.so,out=FILE,mark=ADDRESS[,mark=ADDRESS][,low=ADDRESS,high=ADDRESS
 *           [,wait=CYCLES,line=BYTES,flash=ADDRESS,flash_end=ADDRESS,prefetch=0|1,code=BYTES,data=BYTES]]
 *
 * Before the instruction at a marked address executes, a record of little-endian 64-bit words is appended to the file:
 * the address, the number of instructions so far, n, and n groups (address, executed, taken, accesses, waits). Groups
 * are written only if low and high are given, for each instruction in low <= address < high that executed since the
 * record before: how often it executed; how often what executed next was not the instruction behind it (a taken branch
 * of any kind: B, BL, BX, CBZ, TBB, LE, POP or LDR to PC); and how many words, half-words or bytes it read or wrote, by
 * which a load whose condition failed is known. Predicated instructions count as executed whether or not their
 * condition holds; an IT instruction counts too.
 *
 * With wait, cycles that a flash memory makes the core wait are modelled, and are a group's last number. Reads of
 * flash <= address < flash_end are of aligned lines. One that is in no cache costs wait cycles, unless it is code and
 * the next line behind the last one that was read: that one is read ahead with prefetch=1, and costs what is left of
 * its wait + 1 cycles if every instruction meanwhile took one. code and data are bytes of two caches of lines; what
 * was used least recently is dropped. Of either kind, the line that was read last costs nothing even without a cache.
 *
 * The functions are declared here as QEMU's documentation of the interface has them, so no header of QEMU is needed. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))
#define MARKS_MAX 8

typedef uint64_t plugin_id;
struct block;       /* a translated block */
struct instruction; /* one of its instructions */
enum { NO_REGISTERS = 0, ADD_U64 = 0, READ_OR_WRITE = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct instruction *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_mem_inline(struct instruction *, int, int, void *, uint64_t);
void qemu_plugin_register_vcpu_mem_cb(struct instruction *, void (*)(unsigned, uint32_t, uint64_t, void *), int, int,
                                      void *);
bool qemu_plugin_mem_is_store(uint32_t);
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *);
const void *qemu_plugin_insn_data(const struct instruction *);

VISIBLE int qemu_plugin_version = 1;
VISIBLE int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments);

static int out = -1;
static uint64_t executed;
static uint64_t marks[MARKS_MAX];
static unsigned mark_count;
static uint64_t low, high;
enum { EXECUTED, TAKEN, ACCESSES, WAITS, COUNTERS };
static uint64_t (*by_address)[COUNTERS]; /* counters of each half-word of low..high, or NULL */
static uint64_t *record;                 /* room for a record with every address */

/* A translated block as far as the flow of control needs it: its first address, the one behind it, and the counter of
 * its last instruction, the only one that can branch. Blocks are few; they are never freed, as QEMU may still run one.
 */
struct flow {
    uint64_t start, end, *taken;
};
static const struct flow *completed; /* the block whose last instruction was the last to execute, or NULL */

/* Bytes of an instruction, by its first half-word (Armv7-M ARM, A5.1). QEMU 7.2 says two more of one whose follower it
 * looked at, to see whether that lies across the border of two pages. */
static uint64_t size_of(const struct instruction *instruction) {
    const uint8_t *const data = qemu_plugin_insn_data(instruction);
    return data[1] >> 3 >= 0x1Du ? 4u : 2u;
}

static void enter(unsigned cpu, void *block) {
    (void)cpu;
    const struct flow *const entered = block;
    if (completed != NULL && completed->end != entered->start) {
        ++*completed->taken;
    }
    completed = NULL;
}

static void complete(unsigned cpu, void *block) {
    (void)cpu;
    completed = block;
}

static void visit(unsigned cpu, void *mark) {
    (void)cpu;
    size_t size = 3;
    record[0] = *(const uint64_t *)mark;
    record[1] = executed;
    for (uint64_t i = 0; by_address != NULL && i < (high - low) / 2; ++i) {
        if (by_address[i][EXECUTED] != 0) {
            record[size++] = low + 2 * i;
            for (unsigned k = 0; k < COUNTERS; ++k) {
                record[size++] = by_address[i][k];
                by_address[i][k] = 0;
            }
        }
    }
    record[2] = (size - 3) / (1 + COUNTERS);
    const char *from = (const char *)record;
    size_t left = size * sizeof *record;
    while (left > 0) {
        const ssize_t written = write(out, from, left);
        if (written <= 0) {
            perror("count_plugin: cannot write");
            abort();
        }
        from += written;
        left -= (size_t)written;
    }
}

/* Count the ends of a block after which something else than the next address executes. */
static void follow(struct block *block, struct instruction *last) {
    static uint64_t elsewhere; /* of instructions outside low..high */
    struct flow *const flow = malloc(sizeof *flow);
    if (flow == NULL) {
        perror("count_plugin");
        abort();
    }
    const uint64_t address = qemu_plugin_insn_vaddr(last);
    flow->start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0));
    flow->end = address + size_of(last);
    flow->taken = address >= low && address < high ? &by_address[(address - low) / 2][TAKEN] : &elsewhere;
    qemu_plugin_register_vcpu_tb_exec_cb(block, enter, NO_REGISTERS, flow);
    qemu_plugin_register_vcpu_insn_exec_cb(last, complete, NO_REGISTERS, flow);
}

/* Lines of flash that are at hand: the last one, and those of a cache. */
struct lines {
    uint64_t last;  /* number of a line: its address divided by its size */
    size_t size;    /* of the cache, in lines */
    uint64_t *line; /* in the cache, 0 for none, plus 1 */
    uint64_t *used; /* when it was used last */
};
static struct lines code_lines = {UINT64_MAX, 0, NULL, NULL}, data_lines = {UINT64_MAX, 0, NULL, NULL};
static uint64_t wait, line_size = 1, flash, flash_end, prefetch;
static uint64_t now;   /* cycles, as far as reading ahead needs them: instructions and waits */
static uint64_t ahead; /* the line that is read ahead, plus 1 */
static uint64_t ready; /* when it is there */

/* Whether a line is at hand; then it is the last one, and in the cache the newest. */
static bool at_hand(struct lines *lines, uint64_t line) {
    static uint64_t uses;
    if (lines->last == line) {
        return true;
    }
    lines->last = line;
    size_t oldest = 0;
    for (size_t i = 0; i < lines->size; ++i) {
        if (lines->line[i] == line + 1) {
            lines->used[i] = ++uses;
            return true;
        }
        if (lines->used[i] < lines->used[oldest]) {
            oldest = i;
        }
    }
    if (lines->size > 0) {
        lines->line[oldest] = line + 1;
        lines->used[oldest] = ++uses;
    }
    return false;
}

/* An instruction in flash. */
struct place {
    uint64_t address, size, *waits;
};

static void fetch(unsigned cpu, void *instruction) {
    (void)cpu;
    const struct place *const place = instruction;
    const uint64_t last = (place->address + place->size - 1) / line_size;
    for (uint64_t line = place->address / line_size; line <= last; ++line) {
        if (!at_hand(&code_lines, line)) {
            const uint64_t left = ready > now ? ready - now : 0;
            const uint64_t waited = prefetch != 0 && ahead == line + 1 && left < wait ? left : wait;
            *place->waits += waited;
            now += waited;
            ahead = line + 2;
            ready = now + wait + 1;
        }
    }
    ++now;
}

static void read_data(unsigned cpu, uint32_t info, uint64_t address, void *waits) {
    (void)cpu;
    if (!qemu_plugin_mem_is_store(info) && address >= flash && address < flash_end &&
        !at_hand(&data_lines, address / line_size)) {
        *(uint64_t *)waits += wait;
        now += wait;
    }
}

static void time_flash(struct instruction *instruction, uint64_t address, uint64_t *waits) {
    if (address >= flash && address < flash_end) {
        struct place *const place = malloc(sizeof *place);
        if (place == NULL) {
            perror("count_plugin");
            abort();
        }
        *place = (struct place){address, size_of(instruction), waits};
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, fetch, NO_REGISTERS, place);
    }
    qemu_plugin_register_vcpu_mem_cb(instruction, read_data, NO_REGISTERS, READ_OR_WRITE, waits);
}

static bool make_cache(struct lines *lines, uint64_t bytes) {
    lines->size = (size_t)(bytes / line_size);
    lines->line = calloc(lines->size + 1, sizeof *lines->line);
    lines->used = calloc(lines->size + 1, sizeof *lines->used);
    return lines->line != NULL && lines->used != NULL;
}

static void translate(plugin_id id, struct block *block) {
    (void)id;
    const size_t count = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < count; ++i) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        for (unsigned k = 0; k < mark_count; ++k) {
            if (address == marks[k]) {
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, visit, NO_REGISTERS, &marks[k]);
            }
        }
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_U64, &executed, 1);
        if (by_address != NULL && address >= low && address < high) {
            uint64_t *const counters = by_address[(address - low) / 2];
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_U64, &counters[EXECUTED], 1);
            qemu_plugin_register_vcpu_mem_inline(instruction, READ_OR_WRITE, ADD_U64, &counters[ACCESSES], 1);
            if (wait > 0) {
                time_flash(instruction, address, &counters[WAITS]);
            }
        }
    }
    if (by_address != NULL) {
        follow(block, qemu_plugin_tb_get_insn(block, count - 1));
    }
}

static int bad_argument(const char *text) {
    (void)fprintf(stderr, "count_plugin: bad argument '%s'\n", text);
    return -1;
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
    (void)info;
    uint64_t code = 0, data = 0;
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {
        {"low=", &low},           {"high=", &high},   {"wait=", &wait},
        {"line=", &line_size},    {"flash=", &flash}, {"flash_end=", &flash_end},
        {"prefetch=", &prefetch}, {"code=", &code},   {"data=", &data},
    };
    for (int i = 0; i < count; ++i) {
        const char *text = arguments[i];
        if (strncmp(text, "out=", 4) == 0 && out < 0) {
            out = open(text + 4, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        } else if (strncmp(text, "mark=", 5) == 0 && mark_count < MARKS_MAX) {
            marks[mark_count++] = strtoull(text + 5, NULL, 0);
        } else {
            size_t k = 0;
            while (k < sizeof numbers / sizeof *numbers &&
                   strncmp(text, numbers[k].name, strlen(numbers[k].name)) != 0) {
                ++k;
            }
            if (k == sizeof numbers / sizeof *numbers) {
                return bad_argument(text);
            }
            *numbers[k].value = strtoull(text + strlen(numbers[k].name), NULL, 0);
        }
    }
    if (out < 0 || mark_count == 0) {
        return bad_argument("out=FILE and mark=ADDRESS are needed");
    }
    const size_t slots = high > low ? (size_t)(high - low + 1) / 2 : 0;
    by_address = slots > 0 ? calloc(slots, sizeof *by_address) : NULL;
    record = malloc((3 + (1 + COUNTERS) * slots) * sizeof *record);
    if (record == NULL || (slots > 0 && by_address == NULL)) {
        return bad_argument("low..high is too large");
    }
    if (line_size == 0 || !make_cache(&code_lines, code) || !make_cache(&data_lines, data)) {
        return bad_argument("line must be above 0, code and data within memory");
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
