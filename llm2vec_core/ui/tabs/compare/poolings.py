"""Every pooling mode under every encoder, for one pair or for all labelled ones. No gradio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.similarity import Structure, cosine_matrix, percentiles, separation_of_structure
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.compare.model import Fields, known_about, yardstick_of


@dataclass(frozen=True)
class Pooled:
    """One encoder with one pooling mode.

    Attributes:
        choice: the encoder.
        pooling: the mode.
        cosine: of the pair.
        percentile: its place among unrelated pairs, 0 to 100; None with an instruction (that would take the
            unrelated pairs through every encoder anew).
        separation: if the texts are labelled, how often a pair with the same meaning has a higher cosine than a
            misleading one; else how often one of our similar pairs has a higher one than an unrelated one, 0 to 1;
            None with an instruction.
        together: mean cosine of the labelled pairs with the same meaning, if there are labels.
        apart: mean cosine of the misleading ones.
    """

    choice: EncoderOption
    pooling: str
    cosine: float
    percentile: float | None
    separation: float | None
    together: float | None = None
    apart: float | None = None


def all_poolings(context: AppContext, session: Session, fields: Fields, pair: tuple[int, int]) -> list[Pooled]:
    """Every encoder with every mode that it has.

    Args:
        context: of the model.
        session: whose encoders are among them.
        fields: texts and instruction.
        pair: rows of the two texts.

    Raises:
        InputError: if there are no such rows.
    """
    i, j = pair
    if not (0 <= i < len(fields.texts) and 0 <= j < len(fields.texts)) or i == j:
        raise InputError(f"Choose two different texts, from 1 to {len(fields.texts)}.")
    _, structure = known_about(session, fields.texts, context.limits)
    # Without labels only the two texts matter.
    texts = list(fields.texts) if structure else [fields.texts[i], fields.texts[j]]
    place = (i, j) if structure else (0, 1)
    return [
        _measured(context, session, choice, mode, cosine_matrix(embeddings), place, structure, bool(fields.instruction))
        for choice in session.choices(context, baselines=True)
        for mode, embeddings in _embeddings(context, session, choice, texts, fields.instruction).items()
    ]


def best(found: list[Pooled]) -> list[Pooled]:
    """Those with the highest separation, as it is shown (to a tenth of a percent); empty where it is not known."""
    known = [round(1000 * each.separation) for each in found if each.separation is not None]
    return [each for each in found if each.separation is not None and round(1000 * each.separation) == max(known)]


class Row(NamedTuple):
    """One encoder with what it has of each mode."""

    choice: EncoderOption
    cells: list[Pooled | None]


def rows_of(found: list[Pooled]) -> list[Row]:
    """The measurements as a table: a row per encoder, a column per mode."""
    by_place = {(cell.choice.key, cell.pooling): cell for cell in found}
    choices = {cell.choice.key: cell.choice for cell in found}
    return [Row(choice, [by_place.get((key, mode)) for mode in POOLING_MODES]) for key, choice in choices.items()]


def _embeddings(
    context: AppContext, session: Session, choice: EncoderOption, texts: list[str], instruction: str
) -> dict[str, np.ndarray]:
    encoder = session.encoder_for(choice.key, context)
    if not isinstance(encoder, LLM2Vec):
        return {"mean": encoder.encode(texts, instruction or None)}
    found = encoder.encode_poolings(texts, instruction or None)
    return {mode: found[mode] for mode in POOLING_MODES}


def _measured(
    context: AppContext,
    session: Session,
    choice: EncoderOption,
    mode: str,
    cosines: np.ndarray,
    place: tuple[int, int],
    structure: Structure | None,
    instructed: bool,
) -> Pooled:
    cosine = float(cosines[place])
    percentile = separation = None
    if not instructed:
        yardstick = yardstick_of(context, session, choice.key, mode)
        percentile = 100.0 * float(percentiles(np.array(cosine), yardstick.unrelated))
        separation = yardstick.separation()
    if structure is None:
        return Pooled(choice, mode, cosine, percentile, separation)
    together, apart = structure.pairs()
    return Pooled(
        choice,
        mode,
        cosine,
        percentile,
        separation_of_structure(cosines, structure),
        float(cosines[together].mean()),
        float(cosines[apart].mean()),
    )
