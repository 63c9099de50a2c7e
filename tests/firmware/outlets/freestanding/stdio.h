/* For a compiler without a C library. */
#ifndef STDIO_STUB_H
#define STDIO_STUB_H

int printf(const char *format, ...);
int putchar(int letter);
int puts(const char *text);

#endif
