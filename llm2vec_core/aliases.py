"""Published encoders whose config.json names a type of their own, and the direction in which a folder reads.

Such types rename one that transformers knows and open its attention by code in the model's repository. That code is
never run here: a row says which type it is, and the conversion opens it. A new type is a new row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import CONFIG_MAPPING

from llm2vec_core.config_numbers import CAUSAL_WINDOW
from llm2vec_core.errors import ModelError


@dataclass(frozen=True)
class Alias:
    """A type that only renames another one.

    Attributes:
        known: transformers' type with the same weights.
        bidirectional: whether its own code reads in both directions.
        pooling: by which key of config.json it pools, and our names of its values; the pooling of a
            sentence-transformers folder goes first.
        published: a model of this type on the Hub.
    """

    known: str
    bidirectional: bool
    published: str
    pooling: str = ""


_HALVING = ("gemma3", "gemma3_text", "gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text")
_AVERAGES = {"avg": "mean", "mean": "mean", "last": "last_token", "cls": "first_token"}

ALIASES: dict[str, Alias] = {
    "llama_bidirec": Alias("llama", True, "nvidia/llama-embed-nemotron-8b", "pooling"),
    "ministral3_bidirec": Alias("ministral3", True, "checkpoints of NeMo AutoModel", "pooling"),
    "bidirectional_pplx_qwen3": Alias("qwen3", True, "perplexity-ai/pplx-embed-v1-0.6b"),
    "bidir_mistral": Alias("mistral", True, "the tower of nvidia/NV-Embed-v2, saved alone"),
}

# Types with layers of their own behind or inside the decoder: their vectors need their code.
REFUSED: dict[str, str] = {
    "nvembed": "it pools with its own latent attention layer (NV-Embed)",
    "llama_nemotron_vl": "it reads pages as images (llama-nemotron-embed-vl)",
    "pplx_contextual_qwen3_5": "some of its layers are recurrent (pplx-embed-v2)",
    "jina_embeddings_v4": "its own code chooses adapters by task (jina-embeddings-v4)",
}


@dataclass(frozen=True)
class Direction:
    """How a folder's own library reads it.

    Attributes:
        bidirectional: None where only the repository's code, which is not run, could tell.
        sliding_window: what becomes of a window when the attention is opened as there.
        reason: the field of config.json that says so.
    """

    bidirectional: bool | None
    sliding_window: str
    reason: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that reproduce it; empty where it is unknown or causal."""
        if not self.bidirectional:
            return {}
        return {"bidirectional": True, "sliding_window": self.sliding_window}


def direction(config: Mapping[str, Any]) -> Direction:
    """In which direction a model is read where it was published.

    Args:
        config: config.json as it stands.

    Example:
        >>> direction({"model_type": "qwen2", "is_causal": False}).bidirectional
        True
        >>> direction({"model_type": "mistral", "auto_map": {"AutoModel": "modeling.Model"}}).bidirectional is None
        True
    """
    alias = ALIASES.get(str(config.get("model_type")))
    if alias is not None:
        return Direction(alias.bidirectional, "keep", f"model_type {config['model_type']}")
    text = config.get("text_config")
    if any(isinstance(part, Mapping) and CAUSAL_WINDOW in part for part in (config, text)):
        return Direction(True, "full", CAUSAL_WINDOW)
    if config.get("is_causal") is not None:
        return Direction(config["is_causal"] is False, "keep", "is_causal")
    for part in (config, config.get("text_config")):
        if isinstance(part, Mapping) and part.get("use_bidirectional_attention") in (True, "all"):
            # Only those that have windows halve them.
            halves = part.get("model_type", config.get("model_type")) in _HALVING
            return Direction(True, "halved" if halves else "keep", "use_bidirectional_attention")
    models = config.get("auto_map") or {}
    if isinstance(models, Mapping) and any(name.startswith("AutoModel") for name in models):
        return Direction(None, "keep", "auto_map without is_causal")
    return Direction(False, "keep", "transformers' own class")


def reads_flag(config: Mapping[str, Any]) -> bool:
    """Whether transformers' own class of a type reads ``use_bidirectional_attention``; others pass it over.

    Example:
        >>> reads_flag({"model_type": "gemma3_text"}), reads_flag({"model_type": "qwen3"})
        (True, False)
    """
    kind = str(config.get("model_type"))
    return kind in CONFIG_MAPPING and hasattr(CONFIG_MAPPING[kind], "use_bidirectional_attention")


def alias_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What config.json of a renamed type says about pooling, in our names.

    Raises:
        ModelError: if it pools in a way that is not known here.

    Example:
        >>> alias_settings({"model_type": "llama_bidirec", "pooling": "avg"})
        {'pooling_mode': 'mean'}
    """
    alias = ALIASES.get(str(config.get("model_type")))
    value = config.get(alias.pooling) if alias is not None and alias.pooling else None
    if value is None:
        return {}
    if not isinstance(value, str) or value not in _AVERAGES:
        raise ModelError(f"config.json pools by {value!r:.60}; known here: {', '.join(_AVERAGES)}")
    return {"pooling_mode": _AVERAGES[value]}


def known_config(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The same config under a type that transformers knows, closed, so that it can be read in either direction.

    Args:
        config: config.json as it stands.
        source: how messages name where it lies.

    Raises:
        ModelError: if the type needs its own code.

    Example:
        >>> known_config({"model_type": "llama_bidirec", "is_causal": False}, "'m'")
        {'model_type': 'llama', 'is_causal': True}
    """
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in REFUSED:
        raise ModelError(
            f"{source} is of type {kind!r}: {REFUSED[kind]}, and code from a model's repository is never run here"
        )
    return _closed(config)


def _closed(config: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: _closed(value) if isinstance(value, Mapping) else value for name, value in config.items()}
    if isinstance(kind := found.get("model_type"), str) and kind in ALIASES:
        found["model_type"] = ALIASES[kind].known
    if found.get("is_causal") is False:
        found["is_causal"] = True
    # transformers halves the windows of some types while it reads this flag; without it they are the causal ones.
    if found.get("use_bidirectional_attention") in (True, "all"):
        found["use_bidirectional_attention"] = None
    found.pop("auto_map", None)
    return found
