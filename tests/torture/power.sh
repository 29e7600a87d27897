#!/bin/sh
# power.sh - the power fails at each write and sync of whole sessions: what a disk may hold then (tests/crash/power.py).
exec "$PYTHON" tests/crash/power.py
