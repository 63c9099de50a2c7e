/* Two models in one image, one inside the other: the second runs from the first's hook, and, in an arena of its own,
 * from interrupts that come at any instruction of the first. Lines: the first's output, the second's from the hook and
 * from the interrupt, and how often each was right. */
#include "cases.h"
#include "start.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define ROUNDS 4u

static uint8_t arena[ARENA_SIZE] DQT_ALIGN;
static uint8_t hook_arena[SECOND_ARENA_SIZE] DQT_ALIGN;
static uint8_t interrupt_arena[SECOND_ARENA_SIZE] DQT_ALIGN;
static volatile uint32_t hooks, hooks_right, interrupts, interrupts_right;

static bool second_is_right(uint8_t *where) {
    uint8_t *input = dqt_input(&SECOND, where);
    for (uint32_t k = 0; k < SECOND_INPUT_SIZE; ++k) {
        input[k] = second_input[k];
    }
    dqt_options options = {};
    options.choices = second_choices;
    dqt_result result;
    bool right = dqt_run(&SECOND, where, &options, &result) == DQT_OK;
    for (uint32_t k = 0; right && k < result.output_size; ++k) {
        right = result.output[k] == second_output[k];
    }
    return right;
}

static bool hook(void *context, const dqt_event *event) {
    (void)context;
    (void)event;
    hooks = hooks + 1u;
    hooks_right = hooks_right + (second_is_right(hook_arena) ? 1u : 0u);
    return true;
}

void on_systick(void) {
    SYST_CSR = 0;
    interrupts = interrupts + 1u;
    interrupts_right = interrupts_right + (second_is_right(interrupt_arena) ? 1u : 0u);
    SYST_CVR = 0; /* and once more, so much later */
    SYST_CSR = 7u;
}

static void print_number(uint32_t value) {
    char text[9];
    for (uint32_t i = 0; i < 8u; ++i) {
        text[i] = "0123456789abcdef"[(value >> (28u - 4u * i)) & 15u];
    }
    text[8] = '\0';
    print(text);
    print(" ");
}

void run_tests(void) {
    uint32_t right = 0;
    for (uint32_t i = 0; i < ROUNDS; ++i) {
        SYST_RVR = 997u + 1009u * i;
        SYST_CVR = 0;
        SYST_CSR = 7u;
        uint8_t *input = dqt_input(&MODEL, arena);
        for (uint32_t k = 0; k < INPUT_SIZE; ++k) {
            input[k] = case_inputs[0][k];
        }
        dqt_options options = {};
        options.choices = case_choices[0];
        options.hook = hook;
        dqt_result result;
        bool same = dqt_run(&MODEL, arena, &options, &result) == DQT_OK;
        SYST_CSR = 0;
        for (uint32_t k = 0; same && k < result.output_size; ++k) {
            same = result.output[k] == first_output[k];
        }
        right += same ? 1u : 0u;
    }
    print_number(right);
    print_number(hooks - hooks_right);
    print_number(interrupts - interrupts_right);
    print_number(hooks);
    print_number(interrupts);
    print("\n");
}
