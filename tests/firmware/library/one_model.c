/* Every case of cases.h through the library, from a program of one's own; C11 and C++17. Each line: status, top class,
 * chosen candidates, output codes, in hexadecimal. */
#include "cases.h"
#include "start.h"

static uint8_t arena[ARENA_SIZE] DQT_ALIGN;

static void print_bytes(const uint8_t *bytes, uint32_t count) {
    char text[3] = {0, 0, 0};
    for (uint32_t i = 0; i < count; ++i) {
        text[0] = "0123456789abcdef"[bytes[i] >> 4];
        text[1] = "0123456789abcdef"[bytes[i] & 15u];
        print(text);
    }
    print(" ");
}

void run_tests(void) {
    for (uint32_t i = 0; i < CASES; ++i) {
        uint8_t *input = dqt_input(&MODEL, arena);
        for (uint32_t k = 0; k < INPUT_SIZE; ++k) {
            input[k] = case_inputs[i % INPUTS][k];
        }
        dqt_options options = {};
        options.choices = case_choices[i];
        dqt_result result;
        const uint8_t status = (uint8_t)dqt_run(&MODEL, arena, &options, &result);
        const uint8_t top = (uint8_t)result.top;
        print_bytes(&status, 1);
        print_bytes(&top, 1);
        print_bytes(result.choices, result.choice_count);
        print_bytes(result.output, result.output_size);
        print("\n");
    }
}
