"""Which examples each batch holds: a function of the seed and the batch's number, so a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llm2vec_core.errors import InputError

# Apart enough that no two runs of neighbouring seeds share an order, small enough for 64 bits.
_SEED_STRIDE = 1_000_003


def mixed_seed(seed: int, number: int) -> int:
    """One seed of two numbers.

    Example:
        >>> mixed_seed(0, 7), mixed_seed(1, 7)
        (7, 1000010)
    """
    return seed * _SEED_STRIDE + number


class BatchSchedule:
    """Every epoch sees each example at most once, in a new order; what fills no whole batch waits for the next.

    Args:
        examples: how many there are.
        batch_size: examples of a batch on one rank.
        ranks: processes that train together: ``ranks`` batches in a row make one joint batch.
        seed: of the orders.
        groups: by example, a name; a joint batch then holds examples of one group alone.

    Raises:
        InputError: if there are too few examples for one joint batch.

    Example:
        >>> schedule = BatchSchedule(4, 2)
        >>> sorted(schedule[0] + schedule[1]), sorted(schedule[2] + schedule[3])
        ([0, 1, 2, 3], [0, 1, 2, 3])
    """

    def __init__(
        self, examples: int, batch_size: int, ranks: int = 1, seed: int = 0, groups: Sequence[str] | None = None
    ) -> None:
        self._batch_size = batch_size
        self._ranks = ranks
        self._seed = seed
        self._groups = _members(groups) if groups is not None else [torch.arange(examples)]
        joint = batch_size * ranks
        self._per_epoch = sum(len(members) // joint for members in self._groups)
        if not self._per_epoch:
            kind = " of one task" if groups is not None else ""
            raise InputError(f"no batch of {joint} examples{kind} can be filled from {examples}: lower batch_size")
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __getitem__(self, number: int) -> list[int]:
        """Indices of the examples of the batch with this number (from 0)."""
        joint, part = divmod(number, self._ranks)
        epoch, place = divmod(joint, self._per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._epoch_order(epoch)
        start = part * self._batch_size
        return self._order[place, start : start + self._batch_size].tolist()

    def _epoch_order(self, epoch: int) -> torch.Tensor:
        """Joint batches of an epoch, shape (batches, batch size x ranks)."""
        generator = torch.Generator().manual_seed(mixed_seed(self._seed, epoch))
        joint = self._batch_size * self._ranks
        batches = []
        for members in self._groups:
            shuffled = members[torch.randperm(len(members), generator=generator)]
            batches.append(shuffled[: len(members) // joint * joint].view(-1, joint))
        order = torch.cat(batches)
        return order[torch.randperm(len(order), generator=generator)] if len(self._groups) > 1 else order


def _members(groups: Sequence[str]) -> list[torch.Tensor]:
    found: dict[str, list[int]] = {}
    for index, name in enumerate(groups):
        found.setdefault(name, []).append(index)
    return [torch.tensor(members) for members in found.values()]
