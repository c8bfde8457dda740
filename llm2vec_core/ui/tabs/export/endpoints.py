"""What the API endpoints take and return, read from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Argument(NamedTuple):
    """One argument: its name, its type with its default, and what it means."""

    name: str
    type: str
    meaning: str


class Endpoint(NamedTuple):
    """One endpoint."""

    name: str
    summary: str
    arguments: list[Argument]
    returns: str


def described(function: Callable[..., Any]) -> Endpoint:
    """An endpoint as its function describes it."""
    text = (inspect.getdoc(function) or "").replace("``", "")
    entry = re.compile(r"^    (\w+): (.+?)(?=\n    \w+: |\n\n|\Z)", re.DOTALL | re.MULTILINE)
    meanings = dict(entry.findall(_section(text, "Args")))
    arguments = [
        Argument(name, _type(parameter), " ".join(meanings.get(name, "").split()))
        for name, parameter in inspect.signature(function).parameters.items()
    ]
    return Endpoint(function.__name__, text.splitlines()[0], arguments, " ".join(_section(text, "Returns").split()))


def _section(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    return found[1] if found else ""


def _type(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return name if parameter.default is inspect.Parameter.empty else f"{name} = {parameter.default!r}"
