/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Included before everything that frama-c reads: it knows no _Static_assert, and no built-in of gcc. */
#define _Static_assert(condition, text) struct proof_nothing
#define __builtin_memcpy memcpy
