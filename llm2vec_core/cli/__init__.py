"""The command line: ``python -m llm2vec_core COMMAND``, or where it is installed ``llm2vec-core COMMAND``.

Every file of ``commands/`` is a command; this file finds them, reads the arguments and turns what happens
into an exit code. Nothing heavy is imported before a command runs, so ``--help`` answers at once.

base.py       what a command is
options.py    the options of every command that loads an encoder
progress.py   bars and lines on standard error
terminal.py   what is never printed verbatim
commands/     one file per command
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules

import llm2vec_core
from llm2vec_core.cli import commands
from llm2vec_core.cli.base import EXIT_CODES, PROGRAM, Command, HelpFormatter
from llm2vec_core.cli.terminal import printable_results, tell
from llm2vec_core.errors import LLM2VecError

DONE, UNEXPECTED, WRONG, INTERRUPTED = 0, 1, 2, 130
LESSON = """\
A language model reads from left to right: a word's vector knows nothing of what follows.
LLM2Vec opens its attention to both sides and turns it into a text encoder. Start with: info"""


def all_commands() -> list[Command]:
    """Every command, by name: one a file of ``commands/``."""
    names = sorted(module.name for module in iter_modules(commands.__path__))
    return [import_module(f"{commands.__name__}.{name}").COMMAND for name in names]


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=LESSON,
        epilog=EXIT_CODES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=llm2vec_core.__version__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in all_commands():
        command.add_to(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        The exit code: 0 done, 2 wrong input or usage, 130 stopped by Ctrl-C, 1 anything unexpected.

    Example:
        >>> main(["info", "--presets", "--quiet"]) == DONE
        preset...
        True
    """
    arguments = build_parser().parse_args(argv)
    with printable_results():
        return _exit_code(arguments)


def _exit_code(arguments: argparse.Namespace) -> int:
    try:
        _run(arguments)
        # Now, because a closed pipe must be met here and not while Python shuts down.
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
    except KeyboardInterrupt:
        tell("stopped")
        return INTERRUPTED
    except Exception as error:
        return _explain(error, arguments.debug)
    return DONE


def _run(arguments: argparse.Namespace) -> None:
    with warnings.catch_warnings():
        # transformers' notes to its own developers are no news for users.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        arguments.run(arguments)


def _explain(error: Exception, debug: bool) -> int:
    if debug:
        tell("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, LLM2VecError):
        tell(f"error: {error}")
        return WRONG
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _silence_stdout()
        tell("error: the disk is full; free some space and try again")
        return WRONG
    if isinstance(error, OSError) and error.filename:
        tell(f"error: {error.strerror}: {error.filename}")
        return WRONG
    tell(f"unexpected {type(error).__name__}: {error}\n--debug shows where it came from")
    return UNEXPECTED


def _silence_stdout() -> None:
    # Nobody takes our output any more (`| head`, a full disk): what is still buffered goes nowhere.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
