/* Runs kernels on layers that QEMU has loaded into memory, and compares each output with what it must be.
 *
 * Prints one line for each failure (words as hexadecimal digits) and one at the end:
 *   differs LAYER CANDIDATE INPUT      the output's CRC-32 is another
 *   strays LAYER CANDIDATE INPUT       a byte outside output and scratch was written
 *   fault LAYER CANDIDATE INPUT PC     the core stopped
 *   done CASES                         all of them were run
 * Output and in-place operands apart, everything in the arena must be unchanged after a run, and so must the red zones
 * of the scratch. Scratch holds whatever the run before left there. */
#include "kernel_rig.h"

#include "dqt_semihosting.h"
#include "rig_start.h"

extern const rig_batch rig_loaded; /* where the linker script says; its content is the host's */

static __attribute__((aligned(8))) uint8_t arena[RIG_ARENA], before[RIG_ARENA], scratch[RIG_SCRATCH];
static uint32_t crc_table[256];
static struct {
    uint32_t layer, candidate, input;
} now;

void reset(void) __attribute__((noreturn));
void begin_region(void);
void end_region(void);

/* Marks round each run of a kernel, for who counts instructions. */
__attribute__((noinline)) void begin_region(void) {
    __asm__ volatile("nop" : : : "memory");
}

__attribute__((noinline)) void end_region(void) {
    __asm__ volatile("nop" : : : "memory");
}

static void print(uint32_t value) {
    dqt_semihosting_text(" ");
    dqt_semihosting_word(value);
}

static void leave(uint32_t status) __attribute__((noreturn));
static void leave(uint32_t status) {
    dqt_semihosting_leave(DQT_SEMIHOSTING_APPLICATION_EXIT, status);
}

static void report(const char *what) {
    dqt_semihosting_text(what);
    print(now.layer);
    print(now.candidate);
    print(now.input);
}

__attribute__((used)) static void report_fault(const uint32_t *frame) {
    report("fault");
    print(frame[6]);
    dqt_semihosting_text("\n");
    leave(1);
}

__attribute__((naked)) static void fault(void) {
    __asm__ volatile("mov r0, sp\n\t"
                     "ldr r1, =report_fault\n\t"
                     "bx r1\n\t"
                     ".ltorg");
}

RIG_VECTORS(reset, fault);

static uint32_t crc32(const uint8_t *data, uint32_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < size; ++i) {
        crc = crc_table[(crc ^ data[i]) & 255u] ^ (crc >> 8);
    }
    return ~crc;
}

/* A byte that depends on its place, and is no code that padding or a table would put there by chance for long. */
static uint8_t pattern(uint32_t place) {
    return (uint8_t)((place * 0x9E3779B1u) >> 23);
}

static void fill(uint8_t *to, uint32_t size) {
    for (uint32_t i = 0; i < size; ++i) {
        to[i] = pattern(i);
    }
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t size) {
    for (uint32_t i = 0; i < size; ++i) {
        to[i] = from[i];
    }
}

static void copy_words(uint8_t *to, const uint8_t *from, uint32_t size) {
    for (uint32_t i = 0; i < size; i += 4u) {
        *(uint32_t *)(void *)(to + i) = *(const uint32_t *)(const void *)(from + i);
    }
}

static uint32_t same(const uint8_t *a, const uint8_t *b, uint32_t size) {
    uint32_t difference = 0;
    uint32_t i = 0;
    for (; i + 4u <= size; i += 4u) {
        difference |= *(const uint32_t *)(const void *)(a + i) ^ *(const uint32_t *)(const void *)(b + i);
    }
    for (; i < size; ++i) {
        difference |= (uint32_t)a[i] ^ b[i];
    }
    return difference == 0;
}

static uint32_t zones_whole(const rig_layer *item) {
    const uint32_t end = item->scratch + item->scratch_size;
    for (uint32_t i = 0; i < RIG_ZONE; ++i) {
        const uint32_t low = item->scratch - RIG_ZONE + i;
        if (scratch[low] != pattern(low) || scratch[end + i] != pattern(end + i)) {
            return 0;
        }
    }
    return 1;
}

static uint32_t run(const rig_layer *item, uint32_t candidate, uint32_t input) {
    const dqt_layer *layer = item->layer;
    for (uint32_t k = 0; k < 2u; ++k) {
        const uint32_t size = item->operand_size[k];
        copy(before + item->operand[k], item->values[k] + (uint32_t)(input * size), size);
    }
    copy_words(arena, before, item->arena_size);
    begin_region();
    layer->run(layer, arena, scratch + item->scratch, candidate);
    end_region();
    const uint32_t end = layer->output + layer->output_size;
    uint32_t failures = 0;
    if (crc32(arena + layer->output, layer->output_size) != item->expected[candidate * item->inputs + input]) {
        report("differs");
        dqt_semihosting_text("\n");
        failures = 1;
    }
    copy(arena + layer->output, before + layer->output, layer->output_size);
    if (!same(arena, before, item->arena_size) || !zones_whole(item)) {
        report("strays");
        print(end);
        dqt_semihosting_text("\n");
        fill(scratch, RIG_SCRATCH);
        failures = 1;
    }
    return failures;
}

static uint32_t run_all(uint32_t *cases) {
    const rig_batch *batch = &rig_loaded;
    uint32_t failures = 0;
    for (uint32_t i = 0; i < batch->count; ++i) {
        const rig_layer *item = &batch->layers[i];
        now.layer = item->number;
        fill(before, item->arena_size);
        fill(scratch, item->scratch);
        const uint32_t end = item->scratch + item->scratch_size;
        for (uint32_t k = 0; k < RIG_ZONE; ++k) {
            scratch[end + k] = pattern(end + k);
        }
        for (now.candidate = 0; now.candidate < item->candidates; ++now.candidate) {
            for (now.input = 0; now.input < item->inputs; ++now.input) {
                failures += run(item, now.candidate, now.input);
                ++*cases;
            }
        }
    }
    return failures;
}

void reset(void) {
    rig_start_core();
    for (uint32_t i = 0; i < 256u; ++i) {
        uint32_t value = i;
        for (uint32_t bit = 0; bit < 8u; ++bit) {
            value = (value >> 1) ^ (0xEDB88320u & (0u - (value & 1u)));
        }
        crc_table[i] = value;
    }
    begin_region(); /* nothing: what the marks themselves cost */
    end_region();
    uint32_t cases = 0;
    const uint32_t failures = run_all(&cases);
    dqt_semihosting_text("done");
    print(cases);
    dqt_semihosting_text("\n");
    leave(failures != 0u);
}
