"""A sample of the scenarios at the gate (tests/gate/scenarios.py; all of them: `sh tests/torture/run.sh gate`)."""
import importlib.util
import os
import subprocess
import sys

import pytest

WHERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gate", "scenarios.py")
spec = importlib.util.spec_from_file_location("scenarios", WHERE)
scenarios = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scenarios)
NAMES = [name for name, _ in scenarios.sample(scenarios.all_scenarios(), 36)]


@pytest.fixture(scope="module")
def played():
    done = subprocess.run([sys.executable, WHERE, "quick"], capture_output=True, timeout=200)
    return done.stdout.decode(errors="replace").splitlines()


def test_a_sample_of_the_scenarios(played):
    assert sum(line.startswith("ok ") for line in played) == len(NAMES), "\n".join(
        line for line in played if not line.startswith("ok "))


def test_there_are_enough_of_them():
    assert len(scenarios.all_scenarios()) >= 500
