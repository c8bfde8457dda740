"""Arguments of a wrong type are named before anything is done with them.

What is right is read off a function's own annotations, so that it is written once.
"""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from llm2vec_core.config_numbers import MOST
from llm2vec_core.errors import InputError

# By name: torch and NumPy are loaded by those who need them.
_NAMES = {
    "str": "a string", "bool": "True or False", "int": "a whole number", "float": "a number", "Path": "a path",
    "ndarray": "a NumPy array", "Tensor": "a tensor", "device": "a torch.device", "dtype": "a torch.dtype",
    "NoneType": "None", "Callable": "a function",
}  # fmt: skip


def check_arguments(function: Any, given: Mapping[str, Any], *, leave: Collection[str] = ()) -> None:
    """Raise if an argument is not of the type that the function's annotation says.

    To be called as the first statement, with ``locals()``. Values of the right type that are wrong nevertheless (a
    name that does not exist, a negative number) are the function's own affair.

    Args:
        function: whose annotations are read; what this module does not understand allows everything.
        given: arguments by name; other names are passed over.
        leave: names of arguments that the function checks itself, because it has more to say.

    Raises:
        InputError: naming the first wrong argument, its value, and what would be right.

    Example:
        >>> def cut(text: str, length: int | None = None) -> str:
        ...     check_arguments(cut, locals())
        ...     return text[:length]
        >>> cut("river", 2)
        'ri'
        >>> cut("river", "2")
        Traceback (most recent call last):
        llm2vec_core.errors.InputError: length '2' must be a whole number or None
    """
    for name, hint in _hints(function).items():
        if name in given and name not in leave and not _fits(given[name], hint):
            raise InputError(f"{name} {short(given[name])} must be {_described(hint)}")


def check_fields(record: Any) -> None:
    """As :func:`check_arguments`, for a dataclass: to be called first in ``__post_init__``.

    Whole numbers of more than 64 bits are refused too: no library below takes them.

    Args:
        record: whose fields' annotations are read. A list in the place of a tuple becomes one.

    Raises:
        InputError: naming the first wrong field, its value, and what would be right.

    Example:
        >>> from llm2vec_core.training.config import TrainingConfig
        >>> TrainingConfig(steps="many")
        Traceback (most recent call last):
        llm2vec_core.errors.InputError: steps 'many' must be a whole number
    """
    hints = _hints(type(record).__init__)
    for name, hint in hints.items():
        if get_origin(hint) is tuple and isinstance(getattr(record, name), list):
            object.__setattr__(record, name, tuple(getattr(record, name)))
    given = {name: getattr(record, name) for name in hints}
    check_arguments(type(record).__init__, given)
    for name, value in given.items():
        if isinstance(value, int) and abs(value) > MOST:
            raise InputError(f"{name} {short(value)} has more than 64 bits")


def short(value: Any, most: int = 60) -> str:
    """A value as a message shows it, cut; also one that Python does not write out.

    Example:
        >>> short("a" * 99, 5), short(10**5000)
        ("'aaaa", 'an int that cannot be written out')
    """
    try:
        return f"{value!r:.{most}}"
    except (ValueError, RecursionError):  # more digits than Python writes, lists too deep in one another
        kind = type(value).__name__
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} that cannot be written out"


class _PublicNames(Mapping[str, Any]):
    """What a module imports for its annotations alone is one of the package's public names."""

    def __getitem__(self, name: str) -> Any:
        package = import_module("llm2vec_core")
        if name not in package.__all__:
            raise KeyError(name)
        return getattr(package, name)

    def __iter__(self) -> Iterator[str]:
        return iter(import_module("llm2vec_core").__all__)

    def __len__(self) -> int:
        return len(import_module("llm2vec_core").__all__)


@lru_cache(None)
def _hints(function: Any) -> dict[str, Any]:
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = function.__code__
    # Not those behind * and **, which are several arguments each.
    named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    found = {name: text for name, text in function.__annotations__.items() if name in named}
    hints = get_type_hints(types.SimpleNamespace(__annotations__=found), function.__globals__, _PublicNames())
    return {name: hints[name] for name in named if name in hints}


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in inner)
    if kind is Literal:
        return any(type(value) is type(choice) for choice in inner)
    if kind is Any or not isinstance(kind, type):
        return True
    if getattr(kind, "_is_protocol", False):
        # A string has an ``encode`` of its own.
        return not isinstance(value, (str, bytes)) and all(
            hasattr(value, name) for name in vars(kind) if not name.startswith("_")
        )
    if _is_model(kind):
        return _is_model(type(value))  # PEFT's models are no PreTrainedModel
    if kind is Path:
        return isinstance(value, os.PathLike)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, kind) and _elements_fit(value, kind, inner)


def _elements_fit(value: Any, kind: type, inner: tuple[Any, ...]) -> bool:
    if not inner or kind.__name__ == "Callable":
        return True
    if issubclass(kind, Mapping):
        return all(_fits(key, inner[0]) and _fits(element, inner[1]) for key, element in value.items())
    if issubclass(kind, Sequence):
        # A string is a sequence of strings, and never meant as one.
        return not isinstance(value, (str, bytes)) and all(_fits(element, inner[0]) for element in value)
    return True


def _is_model(kind: type) -> bool:
    return any(base.__name__ == "Module" and base.__module__.startswith("torch.nn.") for base in kind.__mro__)


def _described(hint: Any, several: bool = False) -> str:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_described(choice, several) for choice in inner))
    if kind is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if not inner or kind.__name__ in _NAMES:
        return _name_of(kind, several)
    if issubclass(kind, Mapping):
        return f"a mapping from {_described(inner[0], True)} to {_described(inner[1], True)}"
    return f"a list of {_described(inner[0], True)}"


def _name_of(kind: type, several: bool) -> str:
    name = _NAMES.get(kind.__name__) or ("a model" if _is_model(kind) else f"an object of class {kind.__name__}")
    article, _, noun = name.partition(" ")
    if not several or article not in ("a", "an"):
        return name
    return noun.replace("object ", "objects ") if noun.startswith("object ") else f"{noun}s"
