"""An encoder as a plain sentence-transformers folder: written beside its place, read back, compared, moved.

Nothing is believed because of a flag. The folder is loaded with sentence-transformers alone and its
embeddings are compared with ours, for a single text and a padded batch, with and without each prompt;
only then is it moved to its place. On any failure what stood there before is whole: it is set aside while
the new files are moved in, and comes back if a move fails.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from llm2vec_core.adapters import merged_copy
from llm2vec_core.arguments import check_arguments
from llm2vec_core.dense import DenseLayer, activation_of
from llm2vec_core.errors import ExportError, InputError, LLM2VecError
from llm2vec_core.export.plan import ExportPlan, plan_export
from llm2vec_core.extras import require
from llm2vec_core.writing import check_shard_size, replace_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from llm2vec_core.encoder import LLM2Vec

logger = logging.getLogger(__name__)

# Largest difference of an embedding's element, relative to the largest element (at least 1). In half
# precision padding alone moves elements by about a hundredth.
TOLERANCE, HALF_TOLERANCE = 1e-5, 3e-2
# Weight of a begin token that is left out: too small to be seen beside another token, and still all of the mean where
# there is no other (an empty text), which a weight of 0 would make a zero vector. Their divisor is at least 1e-9.
NEXT_TO_NOTHING = 2.0**-29
SAMPLES = (
    "river",
    "The bank of the river was steep and muddy.",
    "It cost 42 dollars (or so they said), and nobody in the whole town was willing to pay as much for a boat.",
    "Boats " + "went up and down the river all day long, and at night their lamps could be seen from the hill. " * 3,
)


@dataclass(frozen=True)
class ExportReport:
    """What an export found.

    Attributes:
        largest_difference: largest difference to our embeddings that was seen, relative to their largest
            element (at least 1).
        prompts: by name, the exact strings that sentence-transformers puts in front of texts.
        notes: what a user of the folder should know.
    """

    largest_difference: float
    prompts: Mapping[str, str]
    notes: tuple[str, ...]


def export_sentence_transformers(
    encoder: LLM2Vec,
    folder: str | Path,
    *,
    prompts: Mapping[str, str] | None = None,
    normalize: bool | None = None,
    overwrite: bool = False,
    max_shard_size: str = "5GB",
) -> ExportReport:
    """Write a folder that sentence-transformers reads without any of our code, embeddings equal to ours.

    The model is loaded a second time to compare, so memory for two is needed for a moment.

    Texts that are read differently there are told in the report's notes, found by trying them: an empty one behind a
    prompt (nothing or a blank is pooled, here the instruction stands for it) or without a begin token (an error), one
    in which the begin token is written where it is left out. One more kind is not tried: a text in which the blank's
    symbol ("Ġ", "▁") stands as a word of its own.

    Args:
        encoder: what is exported, with its settings; adapters that are not merged yet are merged into a copy.
        folder: made if it does not exist.
        prompts: by name, instructions as :meth:`LLM2Vec.encode` takes them ("query" and "document" are
            the ones that ``encode_query`` and ``encode_document`` use), beside the encoder's own prompts.
        normalize: scale embeddings to length 1; by default as the encoder's setting says.
        overwrite: replace a model that is there already, after the new one has been proven; other files stay.
        max_shard_size: largest weight file, as transformers understands it.

    Returns:
        How exactly the folder reproduces the encoder.

    Raises:
        InputError: if the folder is there already (see ``overwrite``) or ``prompts`` is malformed.
        ExportError: if sentence-transformers cannot express the encoder, or reads it differently.
        MissingPackageError: if sentence-transformers is not installed.

    Example:
        >>> import tempfile
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     report = export_sentence_transformers(encoder, f"{parent}/st", prompts={"query": "Find its twin:"})
        >>> report.largest_difference < 1e-5
        True
    """
    check_arguments(export_sentence_transformers, locals())
    check_shard_size(max_shard_size)
    target = Path(folder).resolve()
    _refuse_target(target, overwrite)
    with _staging(target) as stage:
        _, report = _build(encoder, stage, prompts or {}, normalize, max_shard_size)
        _move(stage, target)
    return report


def to_sentence_transformer(
    encoder: LLM2Vec, *, prompts: Mapping[str, str] | None = None, normalize: bool | None = None
) -> SentenceTransformer:
    """The encoder as a ``SentenceTransformer`` object, with weights of its own.

    It takes the way over a temporary folder and is compared with ours like an export.

    Args:
        encoder: what is exported.
        prompts: as in :func:`export_sentence_transformers`.
        normalize: scale embeddings to length 1.

    Returns:
        A model on the encoder's device, independent of it.

    Raises:
        ExportError: as in :func:`export_sentence_transformers`.
        MissingPackageError: if sentence-transformers is not installed.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> from llm2vec_core.presets import BUNDLED
        >>> model = to_sentence_transformer(LLM2Vec.from_pretrained(BUNDLED.base))
        >>> model.encode(["A river bank."]).shape
        (1, 384)
    """
    check_arguments(to_sentence_transformer, locals())
    with tempfile.TemporaryDirectory() as parent, _staging(Path(parent) / "model") as stage:
        return _build(encoder, stage, prompts or {}, normalize, "5GB")[0]


def _build(
    encoder: LLM2Vec, stage: Path, instructions: Mapping[str, str], normalize: bool | None, max_shard_size: str
) -> tuple[SentenceTransformer, ExportReport]:
    _sentence_transformers()
    normalize = encoder.settings.normalize if normalize is None else normalize
    plan = plan_export(encoder, instructions, normalize)
    if encoder.settings.precision != "full":
        encoder = encoder.with_settings(precision="full")
    try:
        _write(encoder, plan, stage, max_shard_size)
    except LLM2VecError:
        raise
    except Exception as error:
        # safetensors raises its own kind of error when a disk is full.
        raise ExportError(
            f"the folder could not be written ({_without_paths(error, stage)}): is there room on the disk, and may "
            "you write there? What was there before is untouched"
        ) from error
    model = _load(encoder, stage)
    difference = _compare(encoder, model, instructions, plan)
    notes = (*_odd_texts(encoder, model, instructions, plan), *plan.notes)
    for note in notes:
        logger.warning("%s", note)
    return model, ExportReport(difference, plan.prompts, notes)


def _sentence_transformers() -> Any:
    require("export", "sentence_transformers", what="the export")
    import sentence_transformers

    return sentence_transformers


def _refuse_target(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise InputError(f"{target.name!r} is a file; name a folder")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError(f"the folder {target.name!r} is not empty; name another one or pass overwrite=True")
    if not (target / "config.json").is_file():
        raise InputError(f"the folder {target.name!r} holds no model (no config.json), so it is not overwritten")


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A folder beside the target, on the same disk, gone in the end whatever happens."""
    stage = target.with_name(f".{target.name}.part-{uuid.uuid4().hex[:8]}")
    try:
        stage.mkdir(parents=True)
        yield stage
    except OSError as error:
        raise ExportError(f"cannot write beside {target.name!r} ({type(error).__name__}: {error.strerror})") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move(stage: Path, target: Path) -> None:
    if not target.exists():
        stage.replace(target)
        return
    replace_model(stage, target)


def _write(encoder: LLM2Vec, plan: ExportPlan, stage: Path, max_shard_size: str) -> None:
    """The files that ``SentenceTransformer.save_pretrained`` of version 6.2 would write."""
    library = _sentence_transformers()
    from sentence_transformers.sentence_transformer.modules import Transformer

    model = merged_copy(encoder.model)
    model.save_pretrained(stage, max_shard_size=max_shard_size)
    plan.tokenizer.save_pretrained(stage)
    # Texts as they are, even where a chat template is at hand: sentence-transformers would prefer it.
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    _write_json(
        stage / "sentence_bert_config.json",
        {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": text},
            "module_output_name": "token_embeddings",
            "max_seq_length": encoder.settings.max_length,
        },
    )
    modules = [{"idx": 0, "name": "0", "path": "", "type": _reference(Transformer)}]
    for index, module in enumerate(_modules(encoder, plan), start=1):
        path = f"{index}_{type(module).__name__}"
        (stage / path).mkdir()
        module.save(str(stage / path))
        modules.append({"idx": index, "name": str(index), "path": path, "type": _reference(type(module))})
    _write_json(stage / "modules.json", modules)
    _write_json(
        stage / "config_sentence_transformers.json",
        {
            "__version__": {"sentence_transformers": library.__version__},
            "model_type": "SentenceTransformer",
            "prompts": {"query": "", "document": "", **plan.prompts},
            "default_prompt_name": encoder.settings.default_prompt_name,
            "similarity_fn_name": "cosine",
            **({"truncate_dim": truncated} if (truncated := encoder.settings.truncate_dim) else {}),
        },
    )
    # For nobody but us: our own package reads its settings back.
    prompts = {name: prompt for name, prompt in plan.prompts.items() if prompt or name in encoder.settings.prompts}
    replace(encoder.settings, precision="full", prompts=prompts, normalize=plan.normalize).save(stage)


def _modules(encoder: LLM2Vec, plan: ExportPlan) -> list[Any]:
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, WordWeights

    modules: list[Any] = []
    if plan.begin_token_id is not None:
        # Ids for names: WordWeights also looks a name up in lower case, and "<S>" is not "<s>".
        rows = encoder.model.get_input_embeddings().weight.shape[0]
        modules.append(WordWeights([str(i) for i in range(rows)], {str(plan.begin_token_id): NEXT_TO_NOTHING}, 1.0))
    modules.append(Pooling(encoder.width, plan.pooling_mode, include_prompt=plan.include_prompt))
    for layer in encoder.dense:
        if layer.normalize_input:
            modules.append(Normalize())
        modules.append(_dense(layer, Dense))
    if plan.normalize:
        modules.append(Normalize())
    return modules


def _dense(layer: DenseLayer, kind: type[Any]) -> Any:
    wide, given = layer.weight.shape
    module = kind(
        given, wide, layer.bias is not None, activation_of(layer.activation), layer.weight, layer.bias,
        use_residual=layer.residual,
    )  # fmt: skip
    if layer.residual_weight is not None:
        module.residual.weight.data = layer.residual_weight
    return module


def _load(encoder: LLM2Vec, stage: Path) -> SentenceTransformer:
    name = encoder.model.config.model_type
    try:
        return _sentence_transformers().SentenceTransformer(str(stage), device=str(encoder.model.device))
    except Exception as error:
        raise ExportError(
            f"sentence-transformers cannot load the folder of this {name} ({_without_paths(error, stage)}); "
            "save_pretrained and LLM2Vec.from_pretrained can"
        ) from error


def _without_paths(error: Exception, stage: Path) -> str:
    # A message may reach a visitor: it says nothing about the file system.
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {reason}".replace(str(stage), "the folder")


def _compare(encoder: LLM2Vec, model: SentenceTransformer, instructions: Mapping[str, str], plan: ExportPlan) -> float:
    tolerance, largest = _tolerance(encoder), 0.0
    encoder = encoder.with_settings(normalize=plan.normalize)
    for name, prompt, how in _ways(instructions, plan):
        batch = _samples(encoder, **how)
        for texts, what in ((batch, "a padded batch"), (batch[-1:], "a single text")):
            ours = encoder.encode(texts, **how)
            theirs = model.encode(texts, prompt=prompt, batch_size=len(texts), show_progress_bar=False)
            difference = _relative_difference(ours, np.asarray(theirs, dtype=np.float32))
            if not difference <= tolerance:
                behind = f" behind the prompt {name!r}" if name else ""
                read = [(prompt or "") + text for text in texts]
                raise ExportError(
                    f"plain sentence-transformers reads this {encoder.model.config.model_type} differently: {what}"
                    f"{behind} differs by {difference:.1e} of its largest element, and {tolerance:.0e} is allowed"
                    f"{_tokenizer_differs(plan, model, read)}; use save_pretrained and "
                    "LLM2Vec.from_pretrained for it"
                )
            largest = max(largest, difference)
    return largest


def _tolerance(encoder: LLM2Vec) -> float:
    return HALF_TOLERANCE if encoder.model.dtype in (torch.float16, torch.bfloat16) else TOLERANCE


def _ways(instructions: Mapping[str, str], plan: ExportPlan) -> Iterator[tuple[str | None, str | None, dict[str, Any]]]:
    """Each prompt's name and text, and how our encoder is asked for it: as is, without a prompt, with each one."""
    for name in (None, "", *plan.prompts):
        prompt = plan.prompts[name] if name else name
        # An instruction's own blank is not counted as one of its tokens; a stored prompt is to the letter.
        yield name, prompt, {"instruction": instructions[name]} if name and name in instructions else {"prompt": prompt}


def _odd_texts(
    encoder: LLM2Vec, model: SentenceTransformer, instructions: Mapping[str, str], plan: ExportPlan
) -> tuple[str, ...]:
    """Texts with little or nothing to pool that sentence-transformers reads differently, each told with its outcome."""
    encoder, tolerance = encoder.with_settings(normalize=plan.normalize), _tolerance(encoder)
    begin = encoder.tokenizer.bos_token
    texts = {"an empty text": "", "a text of white space": " ", "a text of line breaks": "\n\n"}
    ours_is = dict.fromkeys(texts, "what stands around it is pooled")
    if begin:
        written = f"a text in which {begin!r} is written"
        texts[written], ours_is[written] = f"a river {begin} a bank", "only the first one is left out"
    found: dict[tuple[str, str], list[str]] = {}
    for name, prompt, how in _ways(instructions, plan):
        for kind, text in texts.items():
            ours = encoder.encode([text], **how)
            try:
                theirs = np.asarray(model.encode([text], prompt=prompt, show_progress_bar=False), dtype=np.float32)
            except Exception as error:  # of whatever module meets a text without tokens
                found.setdefault((kind, f"is an error ({type(error).__name__})"), []).append(name or "")
                continue
            if not _relative_difference(ours, theirs) <= tolerance:
                outcome = "becomes a vector of zeros" if not theirs.any() else "becomes another vector"
                found.setdefault((kind, outcome), []).append(name or "")
    return tuple(
        f"{kind}{_behind(names)} {outcome} in sentence-transformers; here {ours_is[kind]}"
        for (kind, outcome), names in found.items()
    )


def _behind(names: list[str]) -> str:
    asked = list(dict.fromkeys(repr(name) for name in names if name))
    return "" if "" in names or not asked else f" behind the prompt {' or '.join(asked)}"


def _tokenizer_differs(plan: ExportPlan, model: SentenceTransformer, texts: list[str]) -> str:
    # transformers builds some types' tokenizers anew from the vocabulary and leaves out what they add.
    if plan.tokenizer(texts, verbose=False)["input_ids"] == model.tokenizer(texts, verbose=False)["input_ids"]:
        return ""
    return f" (transformers reads its saved tokenizer as a {type(model.tokenizer).__name__}, which splits otherwise)"


def _samples(encoder: LLM2Vec, instruction: str | None = None, prompt: str | None = None) -> list[str]:
    """Texts of several lengths; those that are cut only if both sides cut alike (see the plan's notes)."""
    texts = list(SAMPLES)
    if encoder.settings.doc_max_length is not None:
        rows = encoder.tokenize(texts, instruction, prompt)
        texts = [text for text, row in zip(texts, rows, strict=True) if not row.truncated]
    return texts or [SAMPLES[0]]


def _relative_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max()))


def _reference(module_class: type) -> str:
    return f"{module_class.__module__}.{module_class.__name__}"


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
