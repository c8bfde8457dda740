"""Numbers and switches of a ``config.json`` that no model can have, found before anything is built from them.

Building a billion layers takes hours, and no library notices that nobody meant it.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from llm2vec_core.errors import ModelError

# Where a config that is saved with its sliding window open keeps the causal model's own.
CAUSAL_WINDOW = "llm2vec_causal_window"

# Ten times and more what any published model has.
_LIMITS = (
    (re.compile(r"(^|_)n?_?(layers?|blocks)$"), 10_000),
    (re.compile(r"(^|_)(heads?|experts|groups)$|(^|_)num_"), 100_000),
    (re.compile(r"(^|_)(size|dim|rank|embd|inner|width)$|^d_\w+$"), 10_000_000),
    (re.compile(r"(^|_)(positions?(_embeddings)?|ctx|seq_len)$"), 100_000_000),
)
_AT_LEAST_ONE = {
    *("hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("intermediate_size", "max_position_embeddings", "n_layer", "n_head", "n_embd", "n_positions", "d_model"),
}

_SWITCHES = ("is_causal", "tie_word_embeddings")
# What fits into 64 bits, as the libraries below need it.
MOST = 2**63 - 1
# Tokenizers write "no limit" as 10**30.
_MAY_BE_HUGE = ("model_max_length",)


def check_numbers(config: dict[str, Any], where: str) -> None:
    """Look through a configuration, those inside it included.

    Args:
        config: the JSON object.
        where: how a message calls the file.

    Raises:
        ModelError: naming the value: a number or a switch written as text, a number below 1, or one that is far too
            large.

    Example:
        >>> check_numbers({"num_hidden_layers": 2, "text_config": {"hidden_size": 32}}, "config.json")
        >>> check_numbers({"num_hidden_layers": 10**9}, "config.json")
        Traceback (most recent call last):
        llm2vec_core.errors.ModelError: config.json says num_hidden_layers=1000000000; at most 10,000 can be built
    """
    refuse_huge(config, where)
    waiting = [config]
    while waiting:
        for name, value in waiting.pop().items():
            if isinstance(value, dict):
                waiting.append(value)
            _check_switch(name, value, where)
            limit = next((most for pattern, most in _LIMITS if pattern.search(name)), None)
            needed = name in _AT_LEAST_ONE
            if limit is None and not needed:
                continue
            if isinstance(value, str) and (needed or value.strip().lstrip("+-").isdigit()):
                raise ModelError(f"{where} says {name}={value[:60]!r}, which is text: it has to be a whole number")
            if needed and (isinstance(value, bool) or (isinstance(value, float) and not value.is_integer())):
                raise ModelError(f"{where} says {name}={value!r}: it has to be a whole number")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                if not abs(value) <= (limit or value):
                    raise ModelError(f"{where} says {name}={_short(value)}; at most {limit:,} can be built")
                if needed and value < 1:
                    raise ModelError(f"{where} says {name}={value}: it has to be at least 1")


def _check_switch(name: str, value: Any, where: str) -> None:
    # Libraries take any text for true, or pass it over.
    is_text = isinstance(value, str) and value.strip().lower() in ("true", "false", "yes", "no")
    if is_text or (name in _SWITCHES and not isinstance(value, bool | None)):
        raise ModelError(f"{where} says {name}={value!r:.60}: it has to be true or false, unquoted")


def refuse_huge(found: Any, where: str) -> None:
    """Raise if a JSON value holds, at whatever depth, a whole number that no library below takes.

    Args:
        found: the value.
        where: how a message calls the file.

    Raises:
        ModelError: naming it.

    Example:
        >>> refuse_huge({"lora_alpha": [10**400]}, "adapter_config.json")
        Traceback (most recent call last):
        llm2vec_core.errors.ModelError: adapter_config.json says lora_alpha=10000000... (401 digits); no number may have
        more than 64 bits
    """
    waiting = [("", found)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((str(key), inner) for key, inner in value.items() if key not in _MAY_BE_HUGE)
        elif isinstance(value, list):
            waiting.extend((name, inner) for inner in value)
        elif isinstance(value, int) and abs(value) > MOST:
            raise ModelError(f"{where} says {name[:60]}={_short(value)}; no number may have more than 64 bits")


def no_json(error: Exception) -> str:
    """What is wrong with a text that Python's json did not read, to stand behind the file's name.

    Example:
        >>> no_json(RecursionError())
        'holds lists or objects too deep in one another'
    """
    if isinstance(error, RecursionError):
        return "holds lists or objects too deep in one another"
    if isinstance(error, ValueError) and not isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return f"holds a whole number of more than {sys.get_int_max_str_digits():,} digits"
    return "is no JSON"


def _short(value: float) -> str:
    if isinstance(value, float):
        return f"{value}" if abs(value) < 10**18 else f"{value:.3g}"
    digits = str(value)
    return digits if len(digits) <= 20 else f"{digits[:8]}... ({len(digits.lstrip('-'))} digits)"
