"""Processes that are killed say themselves when: no test hopes to catch them at the right moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# It waits for the end of its standard input, so that it does not outlive a test that fails.
MAY_BE_KILLED = """
import sys
def may_be_killed():
    print("may be killed", flush=True)
    sys.stdin.read()
"""


def command_of(code: str, *arguments: str) -> list[str]:
    """Python running this code, in which ``may_be_killed()`` waits to be killed."""
    return [sys.executable, "-c", MAY_BE_KILLED + code, *arguments]


def kill_when_it_says(code: str, *arguments: str) -> None:
    """Run Python code in a process of its own until it calls ``may_be_killed()``, and kill it there (SIGKILL)."""
    process = subprocess.Popen(
        command_of(code, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    )
    with process:
        assert process.stdout.readline() == "may be killed\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL


def environment() -> dict[str, str]:
    """This process's environment, with this repository's modules in reach from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}
