/* QEMU plugin (API version 1): exact counts of executed instructions between visits of marked addresses.
 *
 *   -plugin count_plugin.so,out=FILE,mark=ADDRESS[,mark=ADDRESS][,low=ADDRESS,high=ADDRESS]
 *
 * Before the instruction at a marked address executes, a record of little-endian 64-bit words is appended to the file:
 * the address, the number of instructions so far, n, and n groups (address, executed, taken, accesses). Groups are
 * written only if low and high are given, for each instruction in low <= address < high that executed since the record
 * before: how often it executed; how often what executed next was not the instruction behind it (a taken branch of
 * any kind: B, BL, BX, CBZ, TBB, LE, POP or LDR to PC); and how many words, half-words or bytes it read or wrote, by
 * which a load whose condition failed is known. Predicated instructions count as executed whether or not their
 * condition holds; an IT instruction counts too.
 *
 * The functions are declared here as QEMU's documentation of the interface has them, so no header of QEMU is needed. */
#include <fcntl.h>
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
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *);
size_t qemu_plugin_insn_size(const struct instruction *);

VISIBLE int qemu_plugin_version = 1;
VISIBLE int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments);

static int out = -1;
static uint64_t executed;
static uint64_t marks[MARKS_MAX];
static unsigned mark_count;
static uint64_t low, high;
enum { EXECUTED, TAKEN, ACCESSES, COUNTERS };
static uint64_t (*by_address)[COUNTERS]; /* counters of each half-word of low..high, or NULL */
static uint64_t *record;                 /* room for a record with every address */

/* A translated block as far as the flow of control needs it: its first address, the one behind it, and the counter of
 * its last instruction, the only one that can branch. Blocks are few; they are never freed, as QEMU may still run one.
 */
struct flow {
    uint64_t start, end, *taken;
};
static const struct flow *completed; /* the block whose last instruction was the last to execute, or NULL */

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
    flow->end = address + qemu_plugin_insn_size(last);
    flow->taken = address >= low && address < high ? &by_address[(address - low) / 2][TAKEN] : &elsewhere;
    qemu_plugin_register_vcpu_tb_exec_cb(block, enter, NO_REGISTERS, flow);
    qemu_plugin_register_vcpu_insn_exec_cb(last, complete, NO_REGISTERS, flow);
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
    for (int i = 0; i < count; ++i) {
        const char *text = arguments[i];
        if (strncmp(text, "out=", 4) == 0 && out < 0) {
            out = open(text + 4, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        } else if (strncmp(text, "mark=", 5) == 0 && mark_count < MARKS_MAX) {
            marks[mark_count++] = strtoull(text + 5, NULL, 0);
        } else if (strncmp(text, "low=", 4) == 0) {
            low = strtoull(text + 4, NULL, 0);
        } else if (strncmp(text, "high=", 5) == 0) {
            high = strtoull(text + 5, NULL, 0);
        } else {
            return bad_argument(text);
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
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
