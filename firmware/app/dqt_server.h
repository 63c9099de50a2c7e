/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The serial server: answers every request with the same sequence number or a typed NAK. See dqt-edge's page
 * 'protocol'. */
#ifndef DQT_SERVER_H
#define DQT_SERVER_H

/* Serves for ever. dqt_port_init() must have been called. */
void dqt_server_run(void) __attribute__((noreturn));

#endif
