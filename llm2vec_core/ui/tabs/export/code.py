"""The fields as Python, and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import USER_ADAPTER, encoder_code, encoder_imports, from_hub
from llm2vec_core.ui.tabs.export.model import FORMATS, Order

# A snippet shows how; whoever has more texts reads them from a file.
SHOWN_TEXTS = 5


def python(preset: ModelPreset, order: Order, texts: Sequence[str], name: str) -> str:
    """Python that makes the same embeddings.

    Args:
        preset: the model.
        order: how.
        texts: to embed; the first few are written out.
        name: of the file of texts, for a comment.
    """
    more = f"  # the first {SHOWN_TEXTS} of {len(texts):,} in {name!r}" if len(texts) > SHOWN_TEXTS else ""
    arguments = [f"normalize={bool(order.normalize)}"]
    if order.encoder != "static":
        arguments.insert(0, f"pooling_mode={order.pooling!r}")
    if order.instruction.strip():
        arguments.insert(0, f"instruction={order.instruction.strip()!r}")
    options = {"precision": order.precision} if order.precision != "full" else {}
    lines = [
        *encoder_imports([order.encoder]),
        "",
        f"encoder = {encoder_code(order.encoder, preset, **options)}",
        f"texts = [{more}",
        *(f"    {text!r}," for text in texts[:SHOWN_TEXTS]),
        "]",
        f"embeddings = encoder.encode(texts, {', '.join(arguments)})",
        "print(embeddings.shape)",
    ]
    return "\n".join(lines)


def command(preset: ModelPreset, order: Order) -> str:
    """The same for a whole file on the command line; empty where the command has no such encoder."""
    if order.encoder == "static":
        return ""
    if from_hub(preset) and preset.settings:
        return ""
    words = ["python", "-m", "llm2vec_core", "encode", "texts.txt", "--out", f"embeddings{FORMATS[order.kind]}"]
    if order.encoder == USER_ADAPTER:
        words += ["--model", "your-adapter"]
    else:
        stage = preset.stages[0] if order.encoder == "echo" else preset.stage(order.encoder)
        words += ["--model", preset.base if from_hub(preset) else f"{preset.key}:{stage.key}"]
        if from_hub(preset):
            words += [word for adapter in stage.adapters for word in ("--adapter", adapter)]
            words += [] if stage.bidirectional else ["--causal"]
        if order.encoder == "echo":
            words += ["--template", "echo"]
    if order.pooling != "mean":
        words += ["--pooling-mode", order.pooling]
    if order.instruction.strip():
        words += ["--instruction", order.instruction.strip()]
    if order.normalize:
        words.append("--normalize")
    if order.precision != "full":
        words += ["--precision", order.precision]
    return shlex.join(words)
