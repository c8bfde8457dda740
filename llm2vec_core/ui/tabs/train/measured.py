"""Cosines of held-out pairs before a run and after it, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.tabs.train import copy
from llm2vec_core.ui.templates import Cell

# A smaller change of a share of pairs is none that so few pairs could show.
SMALLEST_CHANGE = 0.01
TEXT_CHARACTERS = 160


@dataclass(frozen=True)
class Change:
    """Separation of the pairs with the same meaning from another kind.

    Attributes:
        other: the other kind.
        before: area under the ROC curve before the run.
        after: after it; as before if there was none.
        count: pairs of each kind at least.
    """

    other: str
    before: float
    after: float
    count: int

    @property
    def is_small(self) -> bool:
        """Whether it is too small for so few pairs to show."""
        return abs(self.after - self.before) < SMALLEST_CHANGE


@dataclass(frozen=True)
class MeasuredPairs:
    """What the card of held-out pairs shows.

    Attributes:
        pairs: by kind, in the order of the cosines.
        before: under the stage that a run starts from.
        after: with the adapter; None without a run.
        own_pairs: whether they are the visitor's own.
    """

    pairs: Mapping[str, Sequence[tuple[str, str]]]
    before: PairCosines
    after: PairCosines | None = None
    own_pairs: bool = False

    @property
    def kinds(self) -> list[str]:
        """Kinds of pairs, those with the same meaning first."""
        return list(self.before.by_label)

    @property
    def stages(self) -> dict[str, PairCosines]:
        """Cosines before and after the run."""
        return {"Before": self.before} | ({"After": self.after} if self.after else {})

    @property
    def changes(self) -> list[Change]:
        """Separation from each other kind."""
        before, after = self.before, self.after or self.before
        sizes = {kind: len(values) for kind, values in before.by_label.items()}
        return [
            Change(kind, before.area(below=kind), after.area(below=kind), min(sizes["similar"], sizes[kind]))
            for kind in sizes
            if kind != "similar"
        ]

    @property
    def moved(self) -> float:
        """By how much the mean cosine of the pairs with the same meaning rose."""
        return (self.after or self.before).mean("similar") - self.before.mean("similar")

    def rows(self) -> list[list[Cell]]:
        """Each pair: its kind, both texts cut, its cosines."""
        columns = [cosines.by_label for cosines in self.stages.values()]
        return [
            [
                copy.KINDS[kind].name,
                first[:TEXT_CHARACTERS],
                second[:TEXT_CHARACTERS],
                *(float(c[kind][i]) for c in columns),
            ]
            for kind, both in self.pairs.items()
            for i, (first, second) in enumerate(both)
        ]
