#!/bin/sh
# faults.sh - each system call of whole sessions fails, in each way there is (tests/crash/faults.py).
exec "$PYTHON" tests/crash/faults.py
