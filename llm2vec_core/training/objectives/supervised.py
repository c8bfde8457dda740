"""Supervised contrastive learning on labelled pairs (BehnamGhader et al., 2024, section 4.2).

A query should be nearer to its own positive than to the positives of all other queries of the batch (in-batch
negatives) and to all hard negatives of the batch, its own and the others'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from llm2vec_core.batching import TokenizedText
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.training.distributed import gather, gather_with_gradients, rank, world_size
from llm2vec_core.training.losses import contrastive_loss
from llm2vec_core.training.noise import drop_tokens
from llm2vec_core.training.objectives.contrastive import ContrastiveObjective
from llm2vec_core.training.pairs import Pair

_NO_TEXT = -1


@dataclass(frozen=True)
class TokenizedPair:
    """A pair, ready for a batch.

    Attributes:
        query: with its instruction in front, which is not pooled.
        positive: what it should find.
        negative: what it should not find, or None.
    """

    query: TokenizedText
    positive: TokenizedText
    negative: TokenizedText | None = None


@dataclass
class Supervised(ContrastiveObjective):
    """Queries against positives and hard negatives.

    Args:
        scale: multiplies cosines (50 in the published recipe).
        pooling_mode: how a text becomes one vector.
        chunk_size: texts embedded at once, through gradient caching; None for the whole batch.
        token_dropout: share of tokens left out of each text (0 in the published recipe; the bundled model, which sees
            its pairs of sentences more than once, does better with it).
        skip_copies: leave out of a query's negatives whatever has the same text as its positive. The published
            training does not; without such copies in the batch it is the same loss.

    Raises:
        InputError: if ``token_dropout`` lies outside [0, 1) or another number is not positive.

    Example:
        >>> Supervised().scale
        50.0
    """

    scale: float = 50.0
    pooling_mode: str = "mean"
    chunk_size: int | None = None
    token_dropout: float = 0.0
    skip_copies: bool = True
    name: str = field(default="supervised", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.token_dropout < 1.0:
            raise InputError(f"token_dropout is {self.token_dropout}; it must lie from 0 to below 1")

    def is_usable(self, example: Pair) -> bool:
        """Whether query and positive are there."""
        return bool(example.query.strip() and example.positive.strip())

    def tokenize(self, encoder: LLM2Vec, examples: Sequence[Pair]) -> list[TokenizedPair]:
        """Queries behind their instructions, positives and negatives behind theirs if there is one."""
        instructions = [pair.instruction for pair in examples]
        passage_instructions = [pair.passage_instruction for pair in examples]
        queries = _tokenize_behind(encoder, [pair.query for pair in examples], instructions)
        positives = _tokenize_behind(encoder, [pair.positive for pair in examples], passage_instructions)
        negatives = _tokenize_behind(encoder, [pair.negative for pair in examples], passage_instructions)
        return [
            TokenizedPair(query, positive, negative if pair.negative.strip() else None)
            for pair, query, positive, negative in zip(examples, queries, positives, negatives, strict=True)
        ]

    def views(self, rows: Sequence[TokenizedPair], generator: torch.Generator) -> list[list[TokenizedText]]:
        """Queries, positives, and the hard negatives that there are."""
        negatives = [row.negative for row in rows if row.negative]
        views = [[row.query for row in rows], [row.positive for row in rows]]
        views += [negatives] if negatives else []
        # What is held out is measured on whole texts.
        if not (self.token_dropout and torch.is_grad_enabled()):
            return views
        return [[drop_tokens(text, self.token_dropout, generator) for text in view] for view in views]

    def contrast(self, rows: Sequence[TokenizedPair], embeddings: list[torch.Tensor]) -> torch.Tensor:
        """Queries look for their positives among all ranks' positives and hard negatives."""
        queries, positives, *rest = embeddings
        first = rank() * len(rows)
        own = torch.tensor([_key(row.positive) for row in rows], device=queries.device)
        candidates = gather(own)
        negatives = None
        # Another rank may have negatives where this one has none; all have to gather.
        if rest or world_size() > 1:
            negatives = gather_with_gradients(_in_place(rest, rows, positives))
            keys = torch.tensor([_key(row.negative) for row in rows], device=queries.device)
            candidates = torch.cat([candidates, gather(keys)])
        return contrastive_loss(
            queries,
            gather_with_gradients(positives),
            negatives,
            scale=self.scale,
            first_target=first,
            left_out=left_out(own, candidates, first, skip_copies=self.skip_copies),
        )


def left_out(own: torch.Tensor, candidates: torch.Tensor, first_target: int, *, skip_copies: bool) -> torch.Tensor:
    """Candidates that are none: empty places, and copies of a query's own positive.

    Args:
        own: key of each query's positive, shape (batch,).
        candidates: key of each candidate, -1 for an empty place, shape (candidates,).
        first_target: the candidate that is query 0's positive.
        skip_copies: leave copies out.

    Returns:
        bool of shape (batch, candidates).

    Example:
        >>> left_out(torch.tensor([7, 8]), torch.tensor([7, 8, 7, -1]), 0, skip_copies=True).tolist()
        [[False, False, True, True], [False, False, False, True]]
    """
    result = (candidates == _NO_TEXT).repeat(len(own), 1)
    if skip_copies:
        result |= own[:, None] == candidates[None]
    queries = torch.arange(len(own), device=own.device)
    result[queries, first_target + queries] = False
    return result


def _tokenize_behind(encoder: LLM2Vec, texts: list[str], instructions: list[str]) -> list[TokenizedText]:
    rows: dict[int, TokenizedText] = {}
    for instruction in dict.fromkeys(instructions):
        places = [i for i, own in enumerate(instructions) if own == instruction]
        found = encoder.tokenize([texts[i] for i in places], instruction or None)
        rows |= zip(places, found, strict=True)
    return [rows[i] for i in range(len(texts))]


def _in_place(rest: list[torch.Tensor], rows: Sequence[TokenizedPair], positives: torch.Tensor) -> torch.Tensor:
    """One row a pair, zeros where it has no negative: every rank must gather the same shape."""
    if not rest:
        # A part of the graph, though its gradient is zero: gathering's backward pass is a collective too.
        return positives * 0.0
    places = torch.tensor([i for i, row in enumerate(rows) if row.negative], device=positives.device)
    return torch.zeros_like(positives).index_copy(0, places, rest[0])


def _key(row: TokenizedText | None) -> int:
    # Hashes of numbers are the same in every process.
    return _NO_TEXT if row is None else hash(row.input_ids) & (2**62 - 1)
