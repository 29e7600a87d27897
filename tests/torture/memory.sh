#!/bin/sh
# memory.sh - each allocation of each command fails (tests/crash/memory.py).
exec "$PYTHON" tests/crash/memory.py
