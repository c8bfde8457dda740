"""Embeddings in fewer bits. Oracle: sentence-transformers."""

from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.precision import OUTPUT_PRECISIONS, quantize_embeddings

ROWS = np.random.default_rng(0).normal(size=(50, 21)).astype(np.float32)
RANGES = np.stack([np.full(21, -1.5), np.full(21, 2.0)]).astype(np.float32)


@pytest.mark.parametrize("ranges", [None, RANGES], ids=["measured", "given"])
@pytest.mark.parametrize("precision", OUTPUT_PRECISIONS)
def test_as_sentence_transformers_does(precision, ranges):
    from sentence_transformers.util import quantize_embeddings as theirs

    rows = ROWS.copy()
    rows[:, 3] = 0.25  # a dimension without a range
    for part in (rows, rows[:0]) + (() if ranges is None else (rows[:1],)):
        want, got = theirs(part, precision=precision, ranges=ranges), quantize_embeddings(part, precision, ranges)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_one_text():
    for precision in ("float32", "binary", "ubinary"):
        np.testing.assert_array_equal(
            quantize_embeddings(ROWS[0], precision), quantize_embeddings(ROWS[:1], precision)[0]
        )
    with pytest.raises(InputError, match="single text: give ranges"):
        quantize_embeddings(ROWS[0], "int8")
    np.testing.assert_array_equal(
        quantize_embeddings(ROWS[0], "int8", RANGES), quantize_embeddings(ROWS, "int8", RANGES)[0]
    )


def test_wrong_values():
    with pytest.raises(InputError, match="unknown precision 'int4'"):
        quantize_embeddings(ROWS, "int4")
    with pytest.raises(InputError, match=r"\(2, 21\)"):
        quantize_embeddings(ROWS, "int8", RANGES[:, :3])
