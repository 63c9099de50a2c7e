/* The text protocol with a view into it, for fuzz_device.c. */
#include "dqt_text.c"

#include <string.h>

#include "fuzz_device.h"

void fuzz_forget_text(void) {
    memset(&text, 0, sizeof text);
}

bool fuzz_is_sound_text(void) {
    return text.size <= LINE_MAX + 1u && text.at <= text.size && text.wanted <= dqt_input_size(dqt_app.models[0]);
}
