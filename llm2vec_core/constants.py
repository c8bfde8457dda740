"""What depends only on a model and the bundled texts: stored under ``assets/constants``, read in milliseconds.

``python -m llm2vec_core.constants`` (``make assets``) computes the files anew; a test compares them with the models.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from llm2vec_core.baselines import BASELINES, encoder_only
from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.comparison import Yardstick, measure_yardsticks
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.filling import ClozeScores, hide_words, measure_cloze
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.presets import ASSETS, BUNDLED, MINILM, PRESETS, SMOLLM2, EncoderOnlyModel, ModelPreset
from llm2vec_core.protocol import Encoder
from llm2vec_core.separation import PairCosines, measure_pairs
from llm2vec_core.stages import StagedModel

FOLDER = ASSETS / "constants"
# Of the baselines, those that the page offers as encoders.
STORED_BASELINES = ("echo", "static")
STORED_PRESETS = (BUNDLED, SMOLLM2)
_LABELS = ("similar", "unrelated", "misleading")


class StoredConstants:
    """The stored numbers of one model; everything is None for an encoder or pooling that was not stored.

    Args:
        key: of the preset or the encoder-only model.

    Example:
        >>> stored = StoredConstants("mini")
        >>> stored.collection("causal", "mean").shape, stored.collection("causal", "max")
        ((324, 384), None)
    """

    def __init__(self, key: str) -> None:
        self._file = FOLDER / f"{key}.safetensors"

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        if not self._file.is_file():
            return {}
        with safe_open(str(self._file), framework="numpy") as found:
            return {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118 (no mapping)

    @property
    def inputs(self) -> str:
        """Digest of what the numbers were computed from; see :func:`digest_of`."""
        with safe_open(str(self._file), framework="numpy") as found:
            return found.metadata()["inputs"]

    def collection(self, encoder: str, pooling_mode: str) -> np.ndarray | None:
        """Embeddings of the bundled collection, float32 of shape (passages, hidden)."""
        return self._embeddings("collection", encoder, pooling_mode)

    def queries(self, encoder: str, pooling_mode: str) -> np.ndarray | None:
        """Embeddings of the labelled queries, float32 of shape (queries, hidden)."""
        return self._embeddings("queries", encoder, pooling_mode)

    def pair_cosines(self, encoder: str) -> PairCosines | None:
        """Cosines of the bundled pairs by label."""
        found = {label: self._arrays.get(f"pairs/{encoder}/{label}") for label in _LABELS}
        by_label = {label: rows.astype(np.float64) for label, rows in found.items() if rows is not None}
        return PairCosines(by_label) if by_label else None

    def yardstick(self, encoder: str, pooling_mode: str) -> Yardstick | None:
        """Sorted cosines of the similar and the unrelated pairs."""
        found = [self._arrays.get(f"yardstick/{encoder}/{pooling_mode}/{label}") for label in _LABELS[:2]]
        return None if found[0] is None or found[1] is None else Yardstick(found[0], found[1])

    def cloze(self, encoder: str) -> ClozeScores | None:
        """How well hidden words of the collection are found."""
        ranks = self._arrays.get(f"cloze/{encoder}/ranks")
        return None if ranks is None else ClozeScores(ranks, self._arrays[f"cloze/{encoder}/log_probabilities"])

    def _embeddings(self, what: str, encoder: str, pooling_mode: str) -> np.ndarray | None:
        found = self._arrays.get(f"{what}/{encoder}/{pooling_mode}")
        return None if found is None else found.astype(np.float32)


@cache
def stored_constants(key: str) -> StoredConstants:
    """The stored constants of a model, read once a process."""
    return StoredConstants(key)


def bundled_yardsticks(encoder: LLM2Vec) -> dict[str, Yardstick]:
    """Cosines of the bundled similar and unrelated pairs under any decoder, by pooling mode."""
    similar, unrelated = (
        [(pair.sentence1, pair.sentence2) for pair in sentence_pairs() if pair.label == label] for label in _LABELS[:2]
    )
    return measure_yardsticks(encoder, similar, unrelated)


def bundled_cloze(encoder: LLM2Vec) -> ClozeScores:
    """How well any decoder finds the words that are hidden in the bundled collection."""
    return measure_cloze(encoder, hide_words(encoder.tokenizer, [passage.text for passage in passages()]))


def compute_constants(
    encoder: Encoder, key: str, *, stage: bool, dtype: type[np.floating[Any]] = np.float32
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the numbers of one encoder by their names in the file.

    Args:
        encoder: to measure.
        key: of the stage, baseline or encoder-only model.
        stage: whether it is a stage, which can fill blanks.
        dtype: of the embeddings.
    """
    for what, texts in (("collection", [p.text for p in passages()]), ("queries", [q.query for q in queries()])):
        yield f"{what}/{key}/mean", encoder.encode(texts).astype(dtype)
    for label, cosines in measure_pairs(encoder, sentence_pairs()).by_label.items():
        yield f"pairs/{key}/{label}", cosines.astype(np.float32)
    if not isinstance(encoder, LLM2Vec):
        return  # it pools in one way alone
    for mode, yardstick in bundled_yardsticks(encoder).items():
        yield f"yardstick/{key}/{mode}/similar", yardstick.similar.astype(np.float32)
        yield f"yardstick/{key}/{mode}/unrelated", yardstick.unrelated.astype(np.float32)
    if not stage:
        return
    cloze = bundled_cloze(encoder)
    yield f"cloze/{key}/ranks", cloze.ranks.astype(np.int32)
    yield f"cloze/{key}/log_probabilities", cloze.log_probabilities.astype(np.float32)


def digest_of(preset: ModelPreset | EncoderOnlyModel) -> str:
    """A digest of everything the constants of a model depend on but the code: bundled texts, weights, adapters.

    Args:
        preset: the model.
    """
    digest = hashlib.sha256()
    texts: Sequence[object] = (*passages(), *queries(), *sentence_pairs(), *POOLING_MODES)
    digest.update(repr(texts).encode())
    if isinstance(preset, EncoderOnlyModel):
        digest.update(repr(preset.sha256).encode())
        return digest.hexdigest()
    if preset.gguf:
        digest.update(preset.gguf.sha256.encode())
    else:
        for file in sorted(Path(preset.base).glob("*.safetensors")):
            digest.update(file.read_bytes())
    for adapter in dict.fromkeys(adapter for stage in preset.stages for adapter in stage.adapters):
        digest.update((Path(adapter) / "adapter_model.safetensors").read_bytes())
    return digest.hexdigest()


def write_constants(preset: ModelPreset) -> None:
    """Compute and store the constants of a preset."""
    model = StagedModel(preset)
    arrays: dict[str, np.ndarray] = {}
    # As float32 the larger model's embeddings would take 5 MB.
    dtype = np.float32 if preset.bundled else np.float16
    for stage in preset.stages:
        arrays |= dict(compute_constants(model.encoder(stage.key), stage.key, stage=True, dtype=dtype))
        print(f"{preset.key}: {stage.key}", file=sys.stderr, flush=True)
    for name in STORED_BASELINES:
        arrays |= dict(compute_constants(BASELINES[name](model.base), name, stage=False, dtype=dtype))
    _save(arrays, preset)


def write_encoder_only(model: EncoderOnlyModel) -> None:
    """Compute and store the constants of an encoder-only model."""
    _save(dict(compute_constants(encoder_only(model), model.key, stage=False, dtype=np.float16)), model)


def _save(arrays: Mapping[str, np.ndarray], model: ModelPreset | EncoderOnlyModel) -> None:
    FOLDER.mkdir(exist_ok=True)
    save_file(
        {name: np.ascontiguousarray(rows) for name, rows in arrays.items()},
        FOLDER / f"{model.key}.safetensors",
        metadata={"inputs": digest_of(model)},
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or [preset.key for preset in (*STORED_PRESETS, MINILM)]:
        if name == MINILM.key:
            write_encoder_only(MINILM)
        else:
            write_constants(PRESETS[name])
