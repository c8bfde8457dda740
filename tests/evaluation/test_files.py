from __future__ import annotations

import pyarrow as pa
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.files import read_table, spread


def test_files_that_cannot_be_used(write, tmp_path):
    write("empty", text=[], label=[])
    write("numbers", text=[1, 2])
    write("holes", text=["a", None])
    (tmp_path / "zero.parquet").write_bytes(b"")
    (tmp_path / "broken.parquet").write_bytes(b"text,label\na,1\n")
    for name, message in (
        ("nowhere", "no file 'nowhere.parquet'"),
        ("empty", "empty.parquet has no rows"),
        ("numbers", "column text holds int64 and no texts"),
        ("holes", "row 1 has no value in column text"),
        ("zero", "zero.parquet is empty or no parquet file"),
        ("broken", "broken.parquet is empty or no parquet file"),
    ):
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / f"{name}.parquet", ["text"])
    with pytest.raises(InputError, match="no column label, split"):
        read_table(tmp_path / "numbers.parquet", ["text", "split", "label"])


@pytest.mark.parametrize(("count", "limit"), [(10, 3), (7, 7), (5, None), (1000, 999)])
def test_spread_covers_without_repeating(count, limit):
    rows = spread(count, limit)
    assert len(set(rows.tolist())) == len(rows) == min(count, limit or count)
    assert rows[0] == 0 and rows[-1] >= count * (1 - 2 / len(rows))


def test_categories_are_read_as_what_they_stand_for(write):
    folder = write("C", text=pa.array(["a", "b", "a"]).dictionary_encode())
    assert read_table(folder / "C.parquet", ["text"])["text"].to_pylist() == ["a", "b", "a"]
