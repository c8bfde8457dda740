from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm2vec_core import cli
from llm2vec_core.cli import all_commands, main
from llm2vec_core.cli.base import Command
from llm2vec_core.errors import InputError

ROOT = Path(__file__).parents[2]
COMMANDS = {command.name: command for command in all_commands()}


def test_a_file_is_a_command_and_has_a_test():
    files = {path.stem for path in (ROOT / "llm2vec_core" / "cli" / "commands").glob("[!_]*.py")}
    assert set(COMMANDS) == files
    for name in files:
        assert (ROOT / "tests" / "cli" / "commands" / f"test_{name}.py").is_file(), name


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=lambda a: " ".join(a) or "all")
def test_help_teaches(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: python -m llm2vec_core")
    assert "exit codes: 0 done, 2 wrong input" in printed
    if arguments:
        command = COMMANDS[arguments[0]]
        assert len(command.lesson.split("\n")) == 2
        assert command.lesson in printed
        assert 2 <= len(command.examples) <= 3
        assert printed.count("  python -m llm2vec_core ") + printed.count("| python -m llm2vec_core ") == len(
            command.examples
        )
    assert max(map(len, printed.splitlines())) <= 120


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_means(name):
    parser = argparse.ArgumentParser()
    COMMANDS[name].add_arguments(parser)
    silent = [
        action.option_strings or action.dest
        for action in parser._actions
        if not action.help or action.help.startswith(("by default", "(by default"))
    ]
    assert silent == []


@pytest.mark.process
def test_help_loads_nothing_heavy():
    heavy = ["torch", "transformers", "numpy", "pyarrow", "peft", "scipy", "sklearn"]
    code = f"""
import sys
from llm2vec_core.cli import build_parser
build_parser().format_help()
print([name for name in {heavy!r} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


def fails_with(error: BaseException) -> Command:
    def run(_):
        raise error

    return Command("fail", "", "it fails", "a\nb", (), lambda parser: None, run)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("three is no colour"), 2, "error: three is no colour\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: the disk is full; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "vault"), 2, "error: Permission denied: vault\n"),
        (ZeroDivisionError("by zero"), 1, "unexpected ZeroDivisionError: by zero\n--debug shows"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_exit_codes(monkeypatch, capsys, error, code, message):
    monkeypatch.setattr(cli, "all_commands", lambda: [fails_with(error)])
    monkeypatch.setattr(cli, "_silence_stdout", lambda: None)  # it would silence the test's own
    assert main(["fail"]) == code
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_debug_shows_where_an_error_came_from(monkeypatch, capsys):
    monkeypatch.setattr(cli, "all_commands", lambda: [fails_with(ZeroDivisionError("by zero"))])
    assert main(["fail", "--debug"]) == 1
    assert "raise error\nZeroDivisionError: by zero\n" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["encode"], ["info", "--colour"], ["encode", "a", "--out"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m llm2vec_core" in capsys.readouterr().err


@pytest.mark.process
def test_a_closed_pipe_ends_quietly():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "llm2vec_core", "info", "--presets"]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(write)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.process
def test_results_on_a_full_disk():
    command = [sys.executable, "-m", "llm2vec_core", "info", "--presets"]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT)
    assert (result.returncode, result.stderr) == (2, b"error: the disk is full; free some space and try again\n")
