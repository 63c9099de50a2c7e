/* A sketch as a bare image in QEMU. */
#include "start.h"

void setup(void);
void loop(void);

void run_tests(void) {
    setup();
    loop();
}
