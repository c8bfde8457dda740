"""What the API endpoints take and return, read from their signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from gradio.utils import get_function_description


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
    """An endpoint as its function describes it, and as gradio describes it to programs."""
    summary, meanings, returns = get_function_description(function)
    arguments = [
        Argument(name, _type(parameter), meanings[name])
        for name, parameter in inspect.signature(function).parameters.items()
    ]
    return Endpoint(function.__name__, summary, arguments, " ".join(returns))


def _type(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return name if parameter.default is inspect.Parameter.empty else f"{name} = {parameter.default!r}"
