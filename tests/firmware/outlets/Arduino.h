/* As much of an Arduino core as a sketch of ours uses, on the test's own print(). */
#ifndef ARDUINO_STUB_H
#define ARDUINO_STUB_H

#include <stdint.h>

#define HIGH 1
#define LOW 0
#define INPUT 0
#define OUTPUT 1
#define PI 3.1415926535897932384626433832795
#define F(text) (text)
#define bit(b) (1ul << (b))
#define constrain(value, low, high) ((value) < (low) ? (low) : ((value) > (high) ? (high) : (value)))

extern "C" {
void setup(void);
void loop(void);
void print(const char *text);
}
long map(long value, long from_low, long from_high, long to_low, long to_high);
long random(long below);

static inline void delay(unsigned long milliseconds) {
    (void)milliseconds;
}

class SerialStub {
  public:
    void begin(unsigned long baud) {
        (void)baud;
    }
    void print(const char *text) {
        ::print(text);
    }
    void print(char letter) {
        const char text[] = {letter, '\0'};
        ::print(text);
    }
    void print(unsigned char number) {
        print((unsigned long)number);
    }
    void print(unsigned int number) {
        print((unsigned long)number);
    }
    void print(unsigned long number) {
        char text[24];
        char *at = text + sizeof text - 1;
        *at = '\0';
        do {
            *--at = (char)('0' + number % 10u);
            number /= 10u;
        } while (number > 0u);
        ::print(at);
    }
    void println() {
        ::print("\n");
    }
    void println(const char *text) {
        ::print(text);
        println();
    }
};

static SerialStub Serial;

#endif
