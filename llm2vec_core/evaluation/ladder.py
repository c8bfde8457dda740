"""Every stage of a model, and the poolings that a fair comparison needs, on every STS set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llm2vec_core.baselines import BASELINES
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import Encode, STSSet, evaluate_sts, read_sts
from llm2vec_core.presets import ModelPreset

STS_SETS = ("STS12", "STS13", "STS14", "STS15", "SICK-R")
# A causal model gets each pooling that could suit it: beating a weak baseline proves nothing.
CAUSAL_POOLINGS = ("mean", "weighted_mean", "last_token")


@dataclass(frozen=True)
class LadderRow:
    """One encoder's scores.

    Attributes:
        label: stage and pooling.
        scores: Spearman x 100, by name of the set.
    """

    label: str
    scores: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean over the sets."""
        return sum(self.scores.values()) / len(self.scores)


def read_ladder_data(folder: Path, names: Sequence[str] = STS_SETS) -> list[STSSet]:
    """Read the STS sets of a folder.

    Raises:
        InputError: if the folder or one of the sets is missing.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder.name!r} with {', '.join(names)} as parquet files")
    return [read_sts(folder / f"{name}.parquet") for name in names]


def measure_ladder(
    preset: ModelPreset, data: Sequence[STSSet], report: Callable[[LadderRow], None] = lambda _: None
) -> list[LadderRow]:
    """Measure each stage with mean pooling, and the causal one with every pooling and as every baseline.

    Args:
        preset: the model and its stages.
        data: STS sets.
        report: called with each row as soon as it is measured.

    Returns:
        The rows, causal first.
    """
    rows = []
    for stage in preset.stages:
        encoder = LLM2Vec.from_preset(f"{preset.key}:{stage.key}")
        for pooling in ("mean",) if stage.bidirectional else CAUSAL_POOLINGS:
            label = f"{stage.label}, {pooling.replace('_', ' ')}"
            encode = partial(encoder.encode, pooling_mode=pooling)
            rows.append(LadderRow(label, _scores(encode, data)))
            report(rows[-1])
        if not stage.bidirectional:
            for name, baseline in BASELINES.items():
                rows.append(LadderRow(f"{stage.label}, {name}", _scores(baseline(encoder).encode, data)))
                report(rows[-1])
    return rows


def _scores(encode: Encode, data: Sequence[STSSet]) -> dict[str, float]:
    return {sts.name: evaluate_sts(encode, sts) for sts in data}


def markdown_table(rows: Sequence[LadderRow]) -> str:
    """The rows as a markdown table, one decimal.

    Example:
        >>> print(markdown_table([LadderRow("Causal, mean", {"STS12": 40.0, "STS13": 50.0})]))
        | encoder | STS12 | STS13 | mean |
        |---|---|---|---|
        | Causal, mean | 40.0 | 50.0 | **45.0** |
    """
    names = list(rows[0].scores)
    lines = ["| encoder | " + " | ".join([*names, "mean"]) + " |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        cells = [f"{row.scores[name]:.1f}" for name in names]
        lines.append(f"| {row.label} | " + " | ".join([*cells, f"**{row.mean:.1f}**"]) + " |")
    return "\n".join(lines)
