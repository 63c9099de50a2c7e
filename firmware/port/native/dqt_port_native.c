/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The native port: standard input and output stand for the UART. See dqt_port.h for what each function promises. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, poll */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dqt_fixed_baud.h"
#include "dqt_port.h"

/* A write of up to PIPE_BUF bytes to a pipe that poll() calls writable does not block; 4096 on Linux. */
#define BUFFER_SIZE 4096u

const uint64_t dqt_port_counter_mask = UINT64_MAX;

static uint8_t input[BUFFER_SIZE];
static size_t input_position;
static size_t input_size;
static uint8_t output[BUFFER_SIZE];
static size_t output_size;

static void flush(void) {
    size_t sent = 0;
    while (sent < output_size) {
        ssize_t count = write(STDOUT_FILENO, output + sent, output_size - sent);
        if (count >= 0) {
            sent += (size_t)count;
        } else if (errno != EINTR) {
            exit(EXIT_SUCCESS); /* the reader has gone, as when a cable is pulled */
        }
    }
    output_size = 0;
}

static void fill(void) {
    ssize_t count = read(STDIN_FILENO, input, sizeof input);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (count <= 0) {
        flush();
        exit(EXIT_SUCCESS);
    }
    input_position = 0;
    input_size = (size_t)count;
}

/* Sleeps until something can be read (if there is room) or sent (if there is anything), and does it. */
static void exchange(void) {
    struct pollfd lines[2] = {
        {.fd = input_position == input_size ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        {.fd = output_size > 0 ? STDOUT_FILENO : -1, .events = POLLOUT, .revents = 0},
    };
    if (poll(lines, 2, -1) < 0) {
        if (errno != EINTR) {
            exit(EXIT_FAILURE);
        }
        return;
    }
    if (lines[1].revents != 0) {
        flush();
    }
    if (lines[0].revents != 0) {
        fill();
    }
}

void dqt_port_init(void) {
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        exit(EXIT_FAILURE);
    }
}

int dqt_port_read(void) {
    if (input_position == input_size) {
        return -1; /* dqt_port_wait() fetches more: no system call for each byte */
    }
    return input[input_position++];
}

int dqt_port_can_write(void) {
    if (output_size == sizeof output) {
        exchange(); /* takes input too, or two full pipes would wait for each other */
    }
    return output_size < sizeof output;
}

void dqt_port_write(uint8_t byte) {
    output[output_size++] = byte;
}

void dqt_port_wait(void) {
    exchange();
}

uint64_t dqt_port_counter(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void dqt_port_reset(void) {
    flush();
    char name[] = "dqt";
    char *arguments[] = {name, NULL};
    (void)execv("/proc/self/exe", arguments);
    exit(EXIT_FAILURE);
}

dqt_image_state dqt_port_check_image(void) {
    return DQT_IMAGE_UNSEALED;
}

/* A program that faults here ends, and the operating system says why. */
const dqt_restart *dqt_port_restart(void) {
    static const dqt_restart nothing;
    return &nothing;
}

void dqt_port_watch(const uint32_t *word) {
    (void)word;
}

uint32_t dqt_port_stack_used(void) {
    return 0;
}
