/* Stands in for the serial server: after one received byte, it sends dqt_dial()'s answer for a row of targets, each as
 * one byte and the biases in little-endian, whether they were written or not. */
#include "dqt_app.h"
#include "dqt_port.h"
#include "dqt_server.h"

static void send(uint32_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; ++i) {
        while (!dqt_port_can_write()) {
        }
        dqt_port_write((uint8_t)(value >> (8u * i)));
    }
}

static void answer(uint32_t thousandths) {
    const dqt_model *model = dqt_app.models[0];
    int32_t bias[16];
    for (uint32_t k = 0; k < dqt_bias_count(model); ++k) {
        bias[k] = 0x5A5A5A5A;
    }
    send((uint32_t)dqt_dial(model, thousandths, bias), 1);
    for (uint32_t k = 0; k < dqt_bias_count(model); ++k) {
        send((uint32_t)bias[k], 4);
    }
}

void dqt_server_run(void) {
    while (dqt_port_read() < 0) {
        dqt_port_wait();
    }
    for (uint32_t t = 0; t <= 1001u; ++t) {
        answer(t);
    }
    answer(0x7FFFFFFFu);
    answer(0xFFFFFFFFu);
    for (;;) {
        dqt_port_wait();
        (void)dqt_port_read();
    }
}
