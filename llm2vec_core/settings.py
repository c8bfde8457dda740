"""How an encoder reads and pools: one small record, checked once, saved beside the model.

The published package keeps its settings in a file of the same name, ``llm2vec_config.json``, with fewer
keys; both are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from llm2vec_core.arguments import check_arguments, short
from llm2vec_core.bidirectional import SlidingWindow
from llm2vec_core.config_numbers import MOST, no_json
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.templates import find_template

SETTINGS_FILE = "llm2vec_config.json"
DEFAULT_MAX_LENGTH = 512
Precision = Literal["full", "bfloat16", "int8"]

# The published package's names for what is a pooling mode and a switch here.
_PUBLISHED_POOLING: dict[str, dict[str, Any]] = {
    "eos_token": {"pooling_mode": "last_token", "append_eos": True},
    "bos_token": {"pooling_mode": "first_token", "skip_instruction": False, "skip_begin_token": False},
}


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder reads and pools.

    Attributes:
        bidirectional: whether attention is open in both directions (step 1 of LLM2Vec).
        pooling_mode: a key of :data:`llm2vec_core.pooling.POOLING_MODES`.
        max_length: tokens that a model reads at most, template, instruction and special tokens included.
        doc_max_length: tokens of the text alone at most (the published package's second limit, so that an
            instruction never pushes a text out); None for no limit of its own.
        skip_instruction: pool the text's own tokens alone when there is an instruction or a template.
        skip_begin_token: leave the begin token out of pooling also where nothing else is. The published package
            does; sentence-transformers does not.
        append_eos: write the tokenizer's end token behind the text (the published ``eos_token`` pooling is this
            with ``last_token``).
        template: a key of :data:`llm2vec_core.templates.TEMPLATES`, or None.
        sliding_window: "full" lifts a sliding window when the attention is opened, "keep" keeps it, "halved" gives
            half of it to either side (EmbeddingGemma and others with ``use_bidirectional_attention``).
        precision: "full", or "bfloat16" or "int8" for linear layers of 16 or 8 bits (CPU only, faster on
            processors made for them; bfloat16 slightly off, int8 more).
        prompts: by name, strings that stand in front of a text to the letter (as sentence-transformers keeps them).
        default_prompt_name: the prompt that is used where neither an instruction nor a prompt is given.
        normalize: scale each embedding to length 1.
        truncate_dim: keep only the first numbers of each embedding (of a model that was trained for it); None for all.

    Raises:
        InputError: for a value that does not exist.

    Example:
        >>> EncoderSettings(pooling_mode="last_token").pooling_mode
        'last_token'
    """

    bidirectional: bool = True
    pooling_mode: str = "mean"
    max_length: int = DEFAULT_MAX_LENGTH
    doc_max_length: int | None = None
    skip_instruction: bool = True
    skip_begin_token: bool = False
    append_eos: bool = False
    template: str | None = None
    sliding_window: SlidingWindow = "full"
    precision: Precision = "full"
    # Not part of the hash, which a mapping has none of.
    prompts: Mapping[str, str] = field(default_factory=dict, hash=False)
    default_prompt_name: str | None = None
    normalize: bool = False
    truncate_dim: int | None = None

    def __post_init__(self) -> None:
        self._check_types()
        if self.pooling_mode not in POOLING_MODES:
            raise InputError(f"unknown pooling_mode {self.pooling_mode!r}; choose one of {', '.join(POOLING_MODES)}")
        for name, choices in (("sliding_window", get_args(SlidingWindow)), ("precision", get_args(Precision))):
            if getattr(self, name) not in choices:
                raise InputError(f"unknown {name} {getattr(self, name)!r}; choose one of {', '.join(choices)}")
        find_template(self.template)
        if self.default_prompt_name is not None and self.default_prompt_name not in self._prompt_names:
            raise InputError(
                f"default_prompt_name {self.default_prompt_name!r} is no prompt; choose one of "
                f"{', '.join(self._prompt_names)}"
            )

    def _check_types(self) -> None:
        for name in ("bidirectional", "skip_instruction", "skip_begin_token", "append_eos", "normalize"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"{name} {getattr(self, name)!r} must be True or False (in JSON true or false, unquoted)"
                )
        for name in ("pooling_mode", "template", "sliding_window", "precision", "default_prompt_name"):
            if not isinstance(getattr(self, name), str | None):
                raise InputError(f"{name} {getattr(self, name)!r} must be a name")
        for name in ("max_length", "doc_max_length", "truncate_dim"):
            value = getattr(self, name)
            if (value is not None or name == "max_length") and (
                isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST
            ):
                bound = f"at most {MOST:,}" if isinstance(value, int) and value > MOST else "at least 1"
                raise InputError(f"{name} {short(value)} must be a whole number of {bound}")
        texts = self.prompts.items() if isinstance(self.prompts, Mapping) else [(None, None)]
        if not all(isinstance(name, str) and isinstance(text, str) for name, text in texts):
            raise InputError(f"prompts {self.prompts!r:.60} must map names to strings")

    def prompt(self, name: str | None) -> str:
        """The prompt of a name, to the letter; of the default one for None, "" if there is none.

        "query" and "document" exist in every encoder, and are empty where nothing else is stored.

        Raises:
            InputError: for an unknown name.

        Example:
            >>> EncoderSettings(prompts={"query": "Find: "}).prompt("query")
            'Find: '
        """
        check_arguments(EncoderSettings.prompt, locals())
        name = self.default_prompt_name if name is None else name
        if name is not None and name not in self._prompt_names:
            raise InputError(f"unknown prompt {name!r}; choose one of {', '.join(self._prompt_names)}")
        return "" if name is None else self.prompts.get(name, "")

    @property
    def _prompt_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.prompts, "query", "document")))

    def save(self, folder: str | Path) -> None:
        """Write the settings to ``llm2vec_config.json`` in a folder."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        (Path(folder) / SETTINGS_FILE).write_text(text, encoding="utf-8")


class SettingsOverrides(TypedDict, total=False):
    """The same fields, each optional: what a caller may give as keywords."""

    bidirectional: bool
    pooling_mode: str
    max_length: int
    doc_max_length: int | None
    skip_instruction: bool
    skip_begin_token: bool
    append_eos: bool
    template: str | None
    sliding_window: SlidingWindow
    precision: Precision
    prompts: Mapping[str, str]
    default_prompt_name: str | None
    normalize: bool
    truncate_dim: int | None


SETTING_NAMES = tuple(field.name for field in fields(EncoderSettings))


def read_settings(file: Path) -> dict[str, Any]:
    """What a settings file says, in our names; ours or the published package's.

    Args:
        file: a ``llm2vec_config.json``; may be missing.

    Returns:
        Known settings only; empty if there is no file.

    Raises:
        ModelError: if the file is no JSON object, or has a value of the wrong kind.
    """
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError(type(found).__name__)
    except (ValueError, TypeError, RecursionError) as error:
        why = "is no JSON object" if isinstance(error, TypeError) else no_json(error)
        raise ModelError(f"{SETTINGS_FILE} in {file.parent.name!r} {why}: mend it or take it away") from error
    given = {name: found[name] for name in SETTING_NAMES if name in found}
    if "bidirectional" not in given:
        # Only the published package's own files lack it; its encoders never pool the begin token.
        given |= {"bidirectional": found.get("enable_bidirectional", True), "skip_begin_token": True}
    if isinstance(mode := given.get("pooling_mode"), str):
        given |= _PUBLISHED_POOLING.get(mode, {})
    try:
        EncoderSettings(**given)
    except InputError as error:
        raise ModelError(f"{SETTINGS_FILE} in {file.parent.name!r}: {error}") from error
    return given
