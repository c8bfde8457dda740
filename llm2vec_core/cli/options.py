"""The options of every command that loads an encoder, and the encoder that they describe."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm2vec_core.cli.base import say
from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED, PRESETS, ModelPreset, find_stage

if TYPE_CHECKING:
    import numpy as np

    from llm2vec_core.encoder import LLM2Vec

MODEL_HELP = "preset (mini), stage of one (mini:mntp), folder or Hub id; by default the bundled encoder"
# Arguments of LLM2Vec.from_pretrained and LLM2Vec.encode that the command line hands on as they are.
LOADING = (
    "pooling_mode",
    "max_length",
    "doc_max_length",
    "template",
    "sliding_window",
    "dtype",
    "device",
    "attn_implementation",
    "revision",
    "quantization",
    "precision",
    "skip_instruction",
    "skip_begin_token",
    "append_eos",
    "prompts",
    "default_prompt_name",
    "normalize",
    "truncate_dim",
)
ENCODING = ("instruction", "prompt_name", "normalize", "batch_size", "max_tokens_per_batch")


@dataclass(frozen=True)
class ModelChoice:
    """Which model, as the command line names it.

    Attributes:
        source: folder or Hub id.
        adapters: merged one after another.
        options: keyword arguments of ``LLM2Vec.from_pretrained``; only those that were given.
        preset: the preset that it came from, if it did.
    """

    source: str
    adapters: tuple[str, ...]
    options: dict[str, Any]
    preset: ModelPreset | None = None

    def as_settings(self) -> dict[str, Any]:
        """Everything that decides the vectors, as JSON has it; of a folder only its name, for it may be shared."""
        return {"model": _shown(self.source), "adapters": [_shown(name) for name in self.adapters], **self.options}


def add_model_options(parser: argparse.ArgumentParser, *, positional: bool = False, required: bool = False) -> None:
    """Add MODEL, or ``--model``, and what decides how it is loaded.

    Args:
        parser: of the command.
        positional: MODEL is an argument of its own.
        required: it may not be left out.
    """
    if positional:
        parser.add_argument("model", nargs=None if required else "?", metavar="MODEL", help=MODEL_HELP)
    group = parser.add_argument_group("model")
    if not positional:
        group.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
    group.add_argument(
        "--adapter", action="append", default=[], help="PEFT folder or Hub id, merged into the model; repeatable"
    )
    group.add_argument("--causal", action="store_true", help="causal attention, as in the language model")
    group.add_argument("--pooling-mode", help="mean, weighted_mean, last_token or first_token")
    group.add_argument("--max-length", type=int, help="in tokens; longer texts are truncated")
    group.add_argument("--doc-max-length", type=int, help="the same for the text without instruction and template")
    group.add_argument("--template", help="wrap each text: echo, prompt, or a chat template such as llama-3-instruct")
    group.add_argument("--sliding-window", choices=("full", "keep"), help="remove a sliding window, or keep it")
    group.add_argument(
        "--skip-begin-token", action="store_true", default=None, help="exclude the begin token from pooling"
    )
    group.add_argument("--append-eos", action="store_true", default=None, help="append the end token to each text")
    group.add_argument(
        "--pool-instruction",
        dest="skip_instruction",
        action="store_false",
        default=None,
        help="include the instruction's tokens in pooling",
    )
    group.add_argument(
        "--prompt",
        dest="prompts",
        action="append",
        metavar="NAME=TEXT",
        help="a named prompt, stored verbatim, instead of the model's own; repeatable",
    )
    group.add_argument("--default-prompt-name", metavar="NAME", help="prepended to texts without an instruction")
    group.add_argument("--truncate-dim", type=int, help="keep only the first N dimensions of each embedding")
    group.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), help="data type of the weights")
    group.add_argument("--device", help="for example cpu or cuda:0; default: a GPU if there is one")
    group.add_argument("--attn-implementation", help="for example sdpa or eager; default: the best available")
    group.add_argument("--revision", help="branch, tag or commit of a Hub model")
    group.add_argument("--quantization", choices=("4bit", "8bit"), help="load with fewer bits; needs bitsandbytes")
    group.add_argument(
        "--precision",
        choices=("full", "bfloat16", "int8"),
        help="of linear layers: fewer bits are less exact and, on CPUs made for them, faster",
    )


def add_encoding_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides how texts are encoded."""
    group = parser.add_argument_group("encoding")
    group.add_argument("--instruction", help="prepended to each text, not pooled")
    group.add_argument("--prompt-name", metavar="NAME", help="name of a stored prompt, prepended to each text")
    group.add_argument("--normalize", action="store_true", default=None, help="scale each embedding to length 1")
    add_batch_options(group)


def add_batch_options(group: Any) -> None:
    """Add what decides memory and speed."""
    group.add_argument("--batch-size", type=int, help="maximum number of texts per batch")
    group.add_argument("--max-tokens-per-batch", type=int, help="maximum number of tokens per batch, padding included")


def given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """The options that the user gave, by name."""
    values = {name: getattr(arguments, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def field_meanings(record: type) -> dict[str, str]:
    """What each field of a configuration record means, out of its docstring: nothing is written twice.

    Example:
        >>> from llm2vec_core.training.config import TrainingConfig
        >>> field_meanings(TrainingConfig)["lora_alpha"]
        "LoRA's updates are scaled by alpha / rank"
    """
    listed = (getdoc(record) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    lines = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", listed, re.MULTILINE)
    return {name: " ".join(re.sub(r"``(\w+)``", _flag, text).split()).rstrip(".") for name, text in lines}


def _flag(field: re.Match[str]) -> str:
    return f"--{field[1].replace('_', '-')}"


def choose_model(arguments: argparse.Namespace) -> ModelChoice:
    """Resolve MODEL: a preset, a stage of one, or anything that ``from_pretrained`` takes.

    Raises:
        InputError: for a stage that the preset has not.
    """
    options = given(arguments, LOADING)
    if "prompts" in options:
        options["prompts"] = dict(_named_prompt(text) for text in options["prompts"])
    if arguments.causal:
        options["bidirectional"] = False
    if arguments.model is not None:
        refuse_missing_folder(arguments.model)
    name = arguments.model or BUNDLED.key
    if name.partition(":")[0] not in PRESETS:
        return ModelChoice(name, tuple(arguments.adapter), options)
    preset, stage = find_stage(name)
    options = {"bidirectional": stage.bidirectional, **preset.settings, **options}
    return ModelChoice(preset.base, (*stage.adapters, *arguments.adapter), options, preset)


def _named_prompt(text: str) -> tuple[str, str]:
    name, equals, prompt = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"--prompt {text!r}: write NAME=TEXT, such as 'query=Find what answers: '")
    return name.strip(), prompt


def load_encoder(arguments: argparse.Namespace, choice: ModelChoice | None = None, *, announce: bool = True) -> LLM2Vec:
    """Load the encoder that the command line describes.

    Args:
        arguments: of the command.
        choice: by default what :func:`choose_model` makes of them.
        announce: say what was loaded.

    Raises:
        LLM2VecError: as ``LLM2Vec.from_pretrained`` does.
    """
    from llm2vec_core.encoder import LLM2Vec

    hide_loading(arguments)
    choice = choice or choose_model(arguments)
    encoder = LLM2Vec.from_pretrained(choice.source, choice.adapters, **choice.options)
    if announce:
        direction = "bidirectional" if encoder.bidirectional else "causal"
        size = f"{encoder.hidden_size} numbers a text"
        say(arguments, f"{encoder.name}, {direction}, {encoder.pooling_mode} pooling, {size}")
    return encoder


def hide_loading(arguments: argparse.Namespace) -> None:
    """No bar of transformers' own while weights are loaded, where nobody looks or ``--quiet`` is given."""
    from transformers.utils import logging

    if arguments.quiet or not sys.stderr.isatty():
        logging.disable_progress_bar()


def encoding_function(encoder: LLM2Vec, options: dict[str, Any]) -> Callable[..., np.ndarray]:
    """A function (texts, progress) -> embeddings.

    Args:
        encoder: the encoder.
        options: keyword arguments of ``LLM2Vec.encode``.
    """

    def encode(texts: list[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        return encoder.encode(texts, progress=progress, **options)

    return encode


@dataclass(frozen=True)
class EncoderFactory:
    """Makes an encoding function in another process, where the encoder is loaded.

    Attributes:
        choice: which encoder.
        options: keyword arguments of ``LLM2Vec.encode``.
    """

    choice: ModelChoice
    options: dict[str, Any]

    def __call__(self) -> Callable[..., np.ndarray]:
        """Load the encoder."""
        from llm2vec_core.encoder import LLM2Vec

        encoder = LLM2Vec.from_pretrained(self.choice.source, self.choice.adapters, **self.choice.options)
        return encoding_function(encoder, self.options)

    def anywhere(self) -> EncoderFactory:
        """The same from any working directory: folders by their whole paths."""
        source, *adapters = (
            str(Path(name).resolve()) if Path(name).exists() else name
            for name in (self.choice.source, *self.choice.adapters)
        )
        return replace(self, choice=replace(self.choice, source=source, adapters=tuple(adapters)))


def _shown(name: str) -> str:
    return Path(name).resolve().name if Path(name).is_dir() else name


def refuse_missing_folder(name: str) -> None:
    """Tell a mistyped folder from a Hub id before anything asks the Hub.

    Raises:
        InputError: for a path that cannot be a Hub id and does not exist, or no name at all (a shell's unset variable).
    """
    if not name.strip():
        raise InputError(f"the model's name is empty; {MODEL_HELP}")
    if name.startswith((".", "/", "~")) and not Path(name).exists():
        raise InputError(f"there is no folder {name!r}")
