/* What clang calls where GCC calls memcpy() and memset(): compiler-rt has these, libgcc has not. By the run-time ABI
 * for the Arm architecture, section "Memory copying, clearing, and setting". */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);

#define COPY(name)                                                                                                     \
    void name(void *to, const void *from, size_t size);                                                                \
    void name(void *to, const void *from, size_t size) {                                                               \
        memcpy(to, from, size);                                                                                        \
    }
#define CLEAR(name)                                                                                                    \
    void name(void *to, size_t size);                                                                                  \
    void name(void *to, size_t size) {                                                                                 \
        memset(to, 0, size);                                                                                           \
    }
#define SET(name)                                                                                                      \
    void name(void *to, size_t size, int byte);                                                                        \
    void name(void *to, size_t size, int byte) {                                                                       \
        memset(to, byte, size);                                                                                        \
    }

COPY(__aeabi_memcpy)
COPY(__aeabi_memcpy4)
COPY(__aeabi_memcpy8)
CLEAR(__aeabi_memclr)
CLEAR(__aeabi_memclr4)
CLEAR(__aeabi_memclr8)
SET(__aeabi_memset)
SET(__aeabi_memset4)
SET(__aeabi_memset8)
