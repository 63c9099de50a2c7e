#!/bin/sh
# Of a pipeline: a model is measured, and the step fails if it got worse than the last good report allows.
# Needs digits.safetensors in the current folder, and a C compiler.
set -e
dqt-edge check digits.safetensors --board qemu-m4 --json > check.json
dqt-edge export digits.safetensors --board host --out firmware --quiet
dqt-edge build firmware --quiet
dqt-edge profile firmware --data digits --n 8 --report baseline --quiet
dqt-edge profile firmware --data digits --n 8 --report now --json > profile.json
dqt-edge compare-sessions baseline now
