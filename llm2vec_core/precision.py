"""Embeddings in fewer bits: int8 or binary, as sentence-transformers' ``quantize_embeddings`` makes them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import InputError

OutputPrecision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
OUTPUT_PRECISIONS: tuple[str, ...] = get_args(OutputPrecision)


def quantize_embeddings(
    embeddings: np.ndarray, precision: OutputPrecision, ranges: np.ndarray | None = None
) -> np.ndarray:
    """Store embeddings in 8 bits or one bit a number.

    Args:
        embeddings: float32 of shape (texts, hidden), or (hidden,) for one text.
        precision: "int8" and "uint8" cut each dimension's range into 256 steps, and so need ``ranges`` or at least two
            embeddings to measure it on; "binary" and "ubinary" keep the sign, eight numbers in a byte.
        ranges: smallest and largest value of each dimension, shape (2, hidden), measured on texts like those to come.
            Without them embeddings of two calls cannot be compared.

    Returns:
        float32, int8 or uint8 of shape (texts, hidden), or of shape (texts, ceil(hidden / 8)) if binary.

    Raises:
        InputError: for an unknown precision, ranges of another shape, or none for a single embedding.

    Example:
        >>> quantize_embeddings(np.array([[1.0, -1.0] * 4, [-1.0, 1.0] * 4]), "ubinary").tolist()
        [[170], [85]]
    """
    check_arguments(quantize_embeddings, locals())
    if precision not in OUTPUT_PRECISIONS:
        raise InputError(f"unknown precision {precision!r}; choose one of {', '.join(OUTPUT_PRECISIONS)}")
    if precision == "float32":
        return embeddings.astype(np.float32)
    if precision.endswith("binary"):
        bits = np.packbits(embeddings > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    low, high = _ranges(embeddings, precision, ranges)
    steps = (high - low) / 255
    steps = np.where(steps == 0, np.float32(1), steps)
    levels = np.clip(np.floor((embeddings - low) / steps), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)


def _ranges(embeddings: np.ndarray, precision: str, ranges: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    width = embeddings.shape[-1]
    if ranges is None:
        if embeddings.ndim < 2 or len(embeddings) == 1:
            raise InputError(
                f"precision {precision!r} of a single text: give ranges, the smallest and largest value of each "
                "dimension, measured on other texts"
            )
        if not len(embeddings):
            return np.zeros(width, np.float32), np.zeros(width, np.float32)
        return embeddings.min(axis=0), embeddings.max(axis=0)
    try:
        ranges = np.asarray(ranges, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"ranges {ranges!r:.60} are no numbers of shape (2, {width})") from error
    if ranges.shape != (2, width):
        raise InputError(f"ranges have shape {ranges.shape}; expected (2, {width})")
    return ranges[0], ranges[1]
