#!/bin/sh
# kill.sh - Airlock killed at each system call of whole sessions, and at random moments (tests/crash/kill.py).
exec "$PYTHON" tests/crash/kill.py
