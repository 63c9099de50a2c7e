/* Between fuzz_device.c and fuzz_server.c. */
#ifndef FUZZ_DEVICE_H
#define FUZZ_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* The server as after power-on. */
void fuzz_forget(void);

/* The same of the text protocol. */
void fuzz_forget_text(void);

/* CRC-32 of what lies in the served model's inputs. */
uint32_t fuzz_input_crc(void);

/* Whether the server's own variables are ones that it may have between two requests. */
bool fuzz_is_sound(void);
bool fuzz_is_sound_text(void);

#endif
