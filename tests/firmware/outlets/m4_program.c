/* A program with main(), or another entry, as a bare image in QEMU; printf() of text and %u, and what compilers
 * make of it. */
#include <stdarg.h>
#include <stdint.h>

#include "start.h"
#include "stdio.h"

#ifndef ENTRY
#define ENTRY main
#endif
int ENTRY(void);

int printf(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    for (const char *at = format; *at != '\0'; ++at) {
        char text[12] = {*at};
        char *from = text;
        if (at[0] == '%' && at[1] == 'u') {
            uint32_t number = va_arg(arguments, unsigned);
            from = text + sizeof text - 1;
            do {
                *--from = (char)('0' + number % 10u);
                number /= 10u;
            } while (number > 0u);
            ++at;
        }
        print(from);
    }
    va_end(arguments);
    return 0;
}

int putchar(int letter) {
    const char text[] = {(char)letter, '\0'};
    print(text);
    return letter;
}

int puts(const char *text) {
    print(text);
    print("\n");
    return 0;
}

void run_tests(void) {
    if (ENTRY() != 0) {
        print("failed\n");
    }
}
