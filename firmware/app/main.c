/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#include "dqt_port.h"
#include "dqt_server.h"

int main(void) {
    dqt_port_init();
    dqt_server_run();
}
