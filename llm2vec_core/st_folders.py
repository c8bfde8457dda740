"""What a sentence-transformers folder says, in this package's settings.

Read as ``SentenceTransformer`` 6.2 reads it. Whatever decides the vectors is taken over or refused by its name; nothing
is passed over, because a folder that loads without a word is believed to give that library's vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm2vec_core.errors import ModelError
from llm2vec_core.settings import SETTINGS_FILE

# A JSON file of the folder, by its relative path; None if there is none.
Reader = Callable[[str], Any]

# The first two, then any of the others in any order; Dropout does nothing outside training.
MODULES = ("Transformer", "Pooling", "Dense", "Normalize", "Dropout")
OWN_MODULE = "WordWeights"  # our exports leave the begin token out with it
# Earlier releases named the file after the type of model.
TRANSFORMER_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_POOLING = {"mean": "mean", "weightedmean": "weighted_mean", "lasttoken": "last_token", "cls": "first_token"}
_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_POOLING_KEYS = {"embedding_dimension", "word_embedding_dimension", "pooling_mode", "include_prompt", *_SWITCHES}
NO_LIMIT = 10**9
_TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}
# Keys that do not reach the vectors, or are read below.
_HARMLESS = {"max_seq_length", "do_lower_case", "modality_config", "module_output_name", "unpad_inputs"}
_ARGUMENTS = ("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs")
_HARMLESS_ARGUMENTS = {
    "torch_dtype", "dtype", "attn_implementation", "device_map", "low_cpu_mem_usage", "use_safetensors",
    "trust_remote_code", "use_cache", "model_max_length", "use_fast", "padding_side", "fix_mistral_regex",
}  # fmt: skip


@dataclass(frozen=True)
class SentenceTransformersFolder:
    """What was found.

    Attributes:
        base: path of the Transformer module inside the folder; "" for the folder itself.
        settings: by the names of :class:`llm2vec_core.settings.EncoderSettings`.
        tokenizer_limit: tokens that the tokenizer lets through, where the folder sets no limit of its own; the model's
            context limits them further.
        lower_case: whether letters are lowered before tokenising.
        dense: path of each Dense module behind pooling, and whether a Normalize module stands in front of it.
    """

    base: str
    settings: dict[str, Any] = field(default_factory=dict)
    tokenizer_limit: int = NO_LIMIT
    lower_case: bool = False
    dense: tuple[tuple[str, bool], ...] = ()


def read_st_folder(read: Reader, own: Mapping[str, Any], source: str) -> SentenceTransformersFolder:
    """Translate a folder's files, or refuse what cannot be said here.

    Args:
        read: gives a JSON file's content by its path inside the folder.
        own: what our own settings file in the folder says; empty where there is none.
        source: the folder's name in messages.

    Raises:
        ModelError: naming the module, file or setting that cannot be read here.
    """
    first, behind = _modules(read, own, source)
    base = first["Transformer"].strip("/")
    inside = f"{base}/" if base else ""
    transformer: Mapping[str, Any] = next((found for name in TRANSFORMER_CONFIGS if (found := read(inside + name))), {})
    _refuse_transformer(transformer, source)
    tokenizer = _object(read, f"{inside}tokenizer_config.json", source)
    if tokenizer.get("truncation_side") == "left" and not own:
        raise ModelError(f"{source} sets truncation_side to 'left' in tokenizer_config.json; here a text loses its end")
    settings = _pooling(read(f"{first['Pooling']}/config.json"), source)
    dense, settings["normalize"] = _behind_pooling(behind)
    settings |= _prompts(_object(read, "config_sentence_transformers.json", source), source)
    length = transformer.get("max_seq_length")
    for name in ("tokenizer_args", "processor_kwargs"):
        length = (transformer.get(name) or {}).get("model_max_length", length)
    if length is not None:
        settings["max_length"] = length
    _refuse_contradictions(own, settings, source)
    # Our own file knows what sentence-transformers' cannot say.
    return SentenceTransformersFolder(
        base, settings | dict(own), _tokenizer_limit(tokenizer), bool(transformer.get("do_lower_case")), dense
    )


def _object(read: Reader, name: str, source: str) -> Mapping[str, Any]:
    found = read(name)
    if found is not None and not isinstance(found, dict):
        raise ModelError(f"{name} of {source} holds no JSON object, but a {type(found).__name__}")
    return found or {}


def _behind_pooling(modules: Sequence[tuple[str, str]]) -> tuple[tuple[tuple[str, bool], ...], bool]:
    """Path of each Dense module and whether its input is normalized; whether its output is."""
    dense, normalized = [], False
    for kind, path in modules:
        if kind == "Dense":
            dense.append((path, normalized))
        if kind != "Dropout":
            normalized = kind == "Normalize"
    return tuple(dense), normalized


def _modules(read: Reader, own: Mapping[str, Any], source: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Path by kind of the first two modules; kind and path of those behind them."""
    found = read("modules.json")
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise ModelError(f"modules.json of {source} is damaged: it has to be a list of objects")
    kinds = []
    for module in found:
        reference, path = module.get("type"), module.get("path", "")
        if not isinstance(reference, str) or not isinstance(path, str):
            raise ModelError(f"modules.json of {source} is damaged: a module needs a type and a path, both strings")
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ModelError(f"modules.json of {source} names a module outside of its folder: {path!r}")
        kind = reference.rsplit(".", 1)[-1]
        if not reference.startswith("sentence_transformers."):
            raise ModelError(
                f"{source} has a module of its own, {reference!r}; code from a model's repository is never run here"
            )
        if module.get("kwargs"):
            raise ModelError(f"modules.json of {source} gives {kind} the arguments {module['kwargs']!r:.60}")
        kinds.append((kind, path))
    names = [kind for kind, _ in kinds]
    if own.get("skip_begin_token"):
        kinds = [(kind, path) for kind, path in kinds if kind != OWN_MODULE]
    known = [kind for kind, _ in kinds]
    if known[:2] != list(MODULES[:2]) or any(name not in MODULES[2:] for name in known[2:]):
        raise ModelError(
            f"{source} is a sentence-transformers folder of {', '.join(names) or 'no modules'}; only "
            f"{', '.join(MODULES[:2])}, then {', '.join(MODULES[2:])} can be read here"
        )
    return dict(kinds[:2]), kinds[2:]


def _refuse_transformer(config: Mapping[str, Any], source: str) -> None:
    modalities = config.get("modality_config") or {"text": _TEXT}
    if "message" in modalities:
        raise ModelError(
            f"{source} has the modality 'message' in modality_config: sentence-transformers writes each text into the "
            "tokenizer's chat template, which cannot be read from the folder here; load the base model with a template "
            "of this package, or save the folder with the modality 'text'"
        )
    if modalities.get("text") != _TEXT:
        raise ModelError(f"{source} has modality_config {modalities!r:.120}; only texts by their last hidden state fit")
    expected = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}
    for name, value in config.items():
        if name in _ARGUMENTS:
            strange = sorted(set(value or {}) - _HARMLESS_ARGUMENTS)
            if strange:
                raise ModelError(f"{source} sets {name} {strange[0]!r}, which cannot be read here")
        elif name in expected:
            if value != expected[name]:
                raise ModelError(f"{source} sets {name} to {value!r:.60}; only {expected[name]!r} can be read here")
        elif name not in _HARMLESS and value not in (None, False, {}, []):
            raise ModelError(f"{source} sets {name} to {value!r:.60}, which cannot be read here")


def _pooling(config: Any, source: str) -> dict[str, Any]:
    if not isinstance(config, dict):
        raise ModelError(f"{source} has no config.json of its Pooling module: the download may be unfinished")
    for name, value in config.items():
        if name not in _POOLING_KEYS:
            raise ModelError(f"{source} sets {name} to {value!r:.60} in its Pooling module, which cannot be read here")
    mode = config.get("pooling_mode")
    if mode is None:
        # Folders written before version 5.5 keep one switch a mode.
        mode = [name for switch, name in _SWITCHES.items() if config.get(switch)] or "mean"
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in _POOLING:
        named = "+".join(map(str, modes))
        raise ModelError(f"{source} pools by pooling_mode {named!r}; known here: {', '.join(_POOLING)}")
    return {"pooling_mode": _POOLING[modes[0]], "skip_instruction": not config.get("include_prompt", True)}


def _prompts(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    kind = config.get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        raise ModelError(f"{source} has model_type {kind!r}; only a SentenceTransformer gives one vector a text")
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise ModelError(f"{source} has prompts {prompts!r:.60}: names and texts are needed")
    default = config.get("default_prompt_name")
    if default is not None and default not in {"query", "document", *prompts}:
        raise ModelError(f"{source} has default_prompt_name {default!r}, but its prompts are {', '.join(prompts)}")
    # That library writes these two into every folder; a prompt of another name may be empty and is a prompt still.
    stored = {name: text or "" for name, text in prompts.items() if text or name not in ("query", "document")}
    return {
        "prompts": stored,
        "default_prompt_name": default if default in stored else None,
        "truncate_dim": config.get("truncate_dim"),
    }


def _tokenizer_limit(config: Mapping[str, Any]) -> int:
    limit = config.get("model_max_length")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit >= 1):
        raise ModelError(
            f"tokenizer_config.json says model_max_length={limit!r:.60}: it has to be a number, at least 1"
        )
    # "No limit" is written as 10**30.
    return int(limit) if isinstance(limit, int | float) and 0 < limit < NO_LIMIT else NO_LIMIT


def _refuse_contradictions(own: Mapping[str, Any], found: Mapping[str, Any], source: str) -> None:
    for name in ("pooling_mode", "max_length", "normalize"):
        if name in own and name in found and own[name] != found[name]:
            raise ModelError(
                f"{SETTINGS_FILE} of {source} says {name} {own[name]!r}, and the files of sentence-transformers say "
                f"{found[name]!r}: take {SETTINGS_FILE} away if the folder was changed after it was written"
            )
