"""``info``: what a model is, and whether it converts."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llm2vec_core
from llm2vec_core.cli.base import Command
from llm2vec_core.cli.options import ModelChoice, add_model_options, choose_model, load_encoder
from llm2vec_core.errors import ConversionError
from llm2vec_core.presets import PRESETS

if TYPE_CHECKING:
    from llm2vec_core.bidirectional import PrefixReport
    from llm2vec_core.encoder import LLM2Vec

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "numpy")
BITS = {"float32": 32, "bfloat16": 16, "8bit": 8, "4bit": 4}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_options(parser, positional=True)
    parser.add_argument("--presets", action="store_true", help="list the presets")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(arguments: argparse.Namespace) -> None:
    if arguments.presets:
        rows = _presets()
        print(json.dumps(rows, indent=1) if arguments.json else _preset_table(rows))
    elif arguments.model is None:
        facts = _installation()
        print(json.dumps({**facts, "presets": _presets()}, indent=1) if arguments.json else _lines(facts))
        if not arguments.json:
            print(f"\n{_preset_table(_presets())}")
    else:
        facts = _model(arguments)
        print(json.dumps(facts, indent=1, ensure_ascii=False) if arguments.json else _lines(facts))


def _installation() -> dict[str, str]:
    versions = {"llm2vec_core": llm2vec_core.__version__, "python": platform.python_version()}
    return {**versions, **{name: version(name) for name in LIBRARIES}}


def _presets() -> list[dict[str, Any]]:
    return [{**asdict(preset), "needs": preset.needs} for preset in PRESETS.values()]


def _preset_table(rows: list[dict[str, Any]]) -> str:
    table = [("preset", "parameters", "license", "stages", "needs")]
    for row in rows:
        stages = " ".join(stage["key"] for stage in row["stages"])
        table.append((row["key"], f"{row['parameters']:,}", row["license"], stages, row["needs"]))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[-1]]) for r in table)


def _model(arguments: argparse.Namespace) -> dict[str, Any]:
    choice = choose_model(arguments)
    wanted = choice.options.pop("bidirectional", None)
    # Loaded causally: a model that cannot be converted is to be described as well.
    options = {**choice.options, "bidirectional": False}
    encoder = load_encoder(
        arguments, ModelChoice(choice.source, choice.adapters, options, choice.preset), announce=False
    )
    facts = {**_described(encoder), "adapters": list(choice.adapters), **_conversion(encoder)}
    if wanted is False:
        facts["reads"] = "causally, as asked"
    if choice.preset:
        stages = [stage.key for stage in choice.preset.stages]
        facts |= {"stages": stages, "license": choice.preset.license, "needs": choice.preset.needs}
    return facts


def _described(encoder: LLM2Vec) -> dict[str, Any]:
    model, tokenizer = encoder.model, encoder.tokenizer
    config = model.config.get_text_config()
    parameters = sum(weight.numel() for weight in model.parameters())
    return {
        "model": encoder.name,
        "architecture": f"{type(model).__name__} ({config.model_type})",
        "layers": config.num_hidden_layers,
        "hidden_size": encoder.hidden_size,
        "parameters": parameters,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": config._attn_implementation,
        "context": getattr(config, "max_position_embeddings", None),
        "max_length": encoder.max_length,
        "tokenizer": f"{type(tokenizer).__name__}, {len(tokenizer):,} tokens",
        "pooling": encoder.pooling_mode,
        "weights_in_memory": {name: _size(parameters * bits / 8) for name, bits in BITS.items()},
    }


def _conversion(encoder: LLM2Vec) -> dict[str, Any]:
    before = _seen(encoder.prefix_test())
    try:
        after = _seen(encoder.view(bidirectional=True).prefix_test())
    except ConversionError as error:
        return {"converts": False, "prefix_test": {"before": before}, "reason": str(error)}
    return {"converts": True, "prefix_test": {"before": before, "after": after}}


def _seen(report: PrefixReport) -> dict[str, Any]:
    layers = len(report.layers)
    return {
        "earlier_tokens_moved_by": round(report.end_to_end, 6),
        "layers_that_see_the_future": f"{layers - len(report.causal_layers)} of {layers}",
    }


def _size(count: float) -> str:
    """Bytes as people read them.

    Example:
        >>> _size(21_242_880), _size(14e9)
        ('20.3 MiB', '13.0 GiB')
    """
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"


def _lines(facts: dict[str, Any]) -> str:
    # A value that has parts with parts takes a line for each of them.
    lines = {}
    for name, value in facts.items():
        nested = isinstance(value, dict) and all(isinstance(part, dict) for part in value.values())
        lines.update({f"{name} {key}": part for key, part in value.items()} if nested else {name: value})
    width = max(len(name) for name in lines) + 2
    return "\n".join(f"{name.replace('_', ' '):<{width}}{_shown(value)}" for name, value in lines.items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')} {_shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(Path(part).name for part in value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


COMMAND = Command(
    name="info",
    usage="[MODEL]",
    summary="what a model is, and whether it converts",
    lesson="Can this decoder become an encoder? The answer is measured, not looked up: the prefix test runs\n"
    "before and after the mask is opened, end to end and in every layer alone.",
    examples=("info", "info mini:mntp", "info --presets --json"),
    add_arguments=_add_arguments,
    run=_run,
)
