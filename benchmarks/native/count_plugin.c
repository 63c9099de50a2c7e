/* QEMU plugin (API version 1): exact counts of executed instructions between visits of marked addresses.
 *
 *   -plugin count_plugin.so,out=FILE,mark=ADDRESS[,mark=ADDRESS][,low=ADDRESS,high=ADDRESS]
 *
 * Before the instruction at a marked address executes, a record of little-endian 64-bit words is appended to the file:
 * the address, the number of instructions so far, n, and n pairs (address, count). Pairs are written only if low and
 * high are given: how often each instruction in low <= address < high executed since the record before.
 * Predicated instructions count whether or not their condition holds; an IT instruction counts too.
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
enum { NO_REGISTERS = 0, ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct instruction *, int, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *);

VISIBLE int qemu_plugin_version = 1;
VISIBLE int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments);

static int out = -1;
static uint64_t executed;
static uint64_t marks[MARKS_MAX];
static unsigned mark_count;
static uint64_t low, high;
static uint64_t *by_address; /* one counter a half-word of low..high, or NULL */
static uint64_t *record;     /* room for a record with every address */

static void visit(unsigned cpu, void *mark) {
    (void)cpu;
    size_t size = 3;
    record[0] = *(const uint64_t *)mark;
    record[1] = executed;
    for (uint64_t i = 0; by_address != NULL && i < (high - low) / 2; ++i) {
        if (by_address[i] != 0) {
            record[size++] = low + 2 * i;
            record[size++] = by_address[i];
            by_address[i] = 0;
        }
    }
    record[2] = (size - 3) / 2;
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
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_U64, &by_address[(address - low) / 2], 1);
        }
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
    record = malloc((3 + 2 * slots) * sizeof *record);
    if (record == NULL || (slots > 0 && by_address == NULL)) {
        return bad_argument("low..high is too large");
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
