/* The server with a view into it, for fuzz_device.c. */
#include "dqt_server.c"

#include <string.h>

#include "fuzz_device.h"

void fuzz_forget(void) {
    memset(&server, 0, sizeof server);
    fuzz_forget_text();
    for (uint32_t i = 0; i < dqt_app.model_count; i++) {
        memset(dqt_app.arena, 0, dqt_app.models[i]->arena_size);
    }
}

uint32_t fuzz_input_crc(void) {
    return server.model != NULL ? crc_of_inputs() : 0;
}

bool fuzz_is_sound(void) {
    return server.received <= server.input_size && server.ring_head - server.ring_tail <= dqt_app.ring_size &&
           server.measurement.place == DQT_FAULT_OUTSIDE && fuzz_is_sound_text();
}
