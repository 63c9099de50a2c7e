#ifndef START_H
#define START_H

#ifdef __cplusplus
extern "C" {
#endif

void print(const char *text);
void stop(void) __attribute__((noreturn));
void run_tests(void); /* what the image is for */
void on_pendsv(void);
void on_systick(void);

#ifdef __cplusplus
}
#endif

#endif
