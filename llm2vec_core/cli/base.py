"""What a command is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm2vec_core.cli.terminal import tell

# What was typed to start this program.
PROGRAM = "llm2vec-core" if Path(sys.argv[0]).stem == "llm2vec-core" else "python -m llm2vec_core"
EXIT_CODES = "exit codes: 0 done, 2 wrong input or usage, 130 stopped by Ctrl-C, 1 anything unexpected"


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves lessons and examples as they stand, and gives long options room."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Attributes:
        name: what is typed.
        usage: what is typed after the name, options left out.
        summary: a few words for the list of commands.
        lesson: two lines that say what the command teaches.
        examples: command lines without the program; a test runs each of them.
        add_arguments: adds the command's own options to its parser.
        run: does the work; it raises what goes wrong.
    """

    name: str
    usage: str
    summary: str
    lesson: str
    examples: tuple[str, ...]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]

    def add_to(self, subparsers: Any) -> None:
        """Add the command, its help and the options that all commands have."""
        lines = "\n".join(f"  {_whole_line(example)}" for example in self.examples)
        parser = subparsers.add_parser(
            self.name,
            help=self.summary,
            usage=f"{PROGRAM} {self.name} {self.usage} [options]",
            description=self.lesson,
            epilog=f"examples:\n{lines}\n\n{EXIT_CODES}",
            formatter_class=HelpFormatter,
        )
        self.add_arguments(parser)
        parser.add_argument("--quiet", action="store_true", help="print only the results")
        parser.add_argument("--debug", action="store_true", help="print the traceback of an error")
        parser.set_defaults(run=self.run)


def say(arguments: argparse.Namespace, *lines: str) -> None:
    """Talk goes to standard error: standard output is for results. ``--quiet`` stops the talk."""
    if not arguments.quiet:
        tell(*lines)


def _whole_line(example: str) -> str:
    left, pipe, right = example.rpartition("| ")
    return f"{left}{pipe}{PROGRAM} {right}"
