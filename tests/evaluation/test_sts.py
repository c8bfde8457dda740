from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import STSSet, cosine_of_pairs, evaluate_sts, read_sts

VECTORS = {"a": [1, 0], "b": [0, 1], "c": [1, 1], "d": [1, 0.2]}


def encode(texts):
    return np.array([VECTORS[t] for t in texts], dtype=float)


def test_perfect_reversed_and_known_rankings():
    pairs = (("a", "a", "a"), ("d", "c", "b"))  # cosines fall
    assert evaluate_sts(encode, STSSet("s", *pairs, np.array([5.0, 3.0, 0.0]))) == pytest.approx(100.0)
    assert evaluate_sts(encode, STSSet("s", *pairs, np.array([0.0, 3.0, 5.0]))) == pytest.approx(-100.0)
    # Ranks 1, 2, 3 against 1, 3, 2: 1 - 6 * 2 / (3 * 8) = 0.5
    assert evaluate_sts(encode, STSSet("s", *pairs, np.array([5.0, 1.0, 3.0]))) == pytest.approx(50.0)


def test_each_sentence_is_encoded_once():
    seen = []
    evaluate_sts(
        lambda t: (seen.extend(t), encode(t))[1], STSSet("s", ("a", "a", "b"), ("b", "c", "c"), np.array([1.0, 2, 3]))
    )
    assert sorted(seen) == ["a", "b", "c"]


def test_cosine_of_a_zero_row_is_zero():
    assert cosine_of_pairs(np.zeros((1, 2)), np.ones((1, 2))).tolist() == [0.0]


def test_reading(tmp_path):
    file = tmp_path / "S.parquet"
    pq.write_table(pa.table({"sentence1": ["a", "b"], "sentence2": ["c", "d"], "score": [1.0, 4.5]}), file)
    data = read_sts(file)
    assert (data.name, data.sentence1, data.sentence2, data.scores.tolist()) == (
        "S",
        ("a", "b"),
        ("c", "d"),
        [1.0, 4.5],
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"sentence1": ["a", "b"], "score": [1, 2]}, "no column sentence2"),
        ({"sentence1": ["a"], "sentence2": ["b"], "score": [1.0]}, "holds 1 pairs"),
        ({"sentence1": ["a"] * 2, "sentence2": ["b"] * 2, "score": [3.0, 3.0]}, "every score is 3"),
        ({"sentence1": ["a"] * 2, "sentence2": ["b"] * 2, "score": [3.0, float("nan")]}, "score of row 1 is nan"),
        ({"sentence1": ["a"] * 2, "sentence2": ["b"] * 2, "score": ["high", "low"]}, "holds string and no numbers"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, table, message):
    pq.write_table(pa.table(table), tmp_path / "S.parquet")
    with pytest.raises(InputError, match=message):
        read_sts(tmp_path / "S.parquet")
    with pytest.raises(InputError, match=r"no file 'T\.parquet'"):
        read_sts(tmp_path / "T.parquet")
