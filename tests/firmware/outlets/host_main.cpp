/* A sketch on this computer: its start, and one turn of its loop. */
#include <stdio.h>

extern "C" {
void setup(void);
void loop(void);
void print(const char *text) {
    fputs(text, stdout);
}
}

int main() {
    setup();
    loop();
    return 0;
}
