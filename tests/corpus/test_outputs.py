from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus.outputs import (
    OUTPUTS,
    embedding_table,
    has_embeddings,
    load_embeddings,
    matrix,
    stored_settings,
    whole_file,
)
from llm2vec_core.errors import InputError

RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((5, 3)).astype(np.float32) * np.float32(1e-3)
TEXTS = ["a", "", "東京", "x\ny", 'q"']


def parts(texts=TEXTS):
    return [
        embedding_table(start, texts and texts[start:stop], VECTORS[start:stop])
        for start, stop in ((0, 2), (2, 4), (4, 5))
    ]


def written(path, texts=TEXTS):
    with whole_file(path) as file:
        OUTPUTS[path.suffix](file, iter(parts(texts)), len(VECTORS), {"model": "m"})
    return path


def test_parquet(tmp_path):
    table = pq.read_table(written(tmp_path / "v.parquet"))
    assert table.schema.to_string(show_schema_metadata=False) == (
        "row: int64\ntext: string\nembedding: fixed_size_list<element: float>[3]\n  child 0, element: float"
    )
    assert (table["row"].to_pylist(), table["text"].to_pylist()) == (list(range(5)), TEXTS)
    assert np.array_equal(matrix(table), VECTORS)


def test_npy(tmp_path):
    loaded = np.load(written(tmp_path / "v.npy"), allow_pickle=False)
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, VECTORS)


def test_jsonl_numbers_are_short_and_exact(tmp_path):
    lines = written(tmp_path / "v.jsonl").read_bytes().split(b"\n")
    rows = [json.loads(line) for line in lines[:-1]]
    assert [(row["row"], row["text"]) for row in rows] == list(enumerate(TEXTS))
    assert np.array_equal(np.array([row["embedding"] for row in rows], dtype=np.float32), VECTORS)
    digits = [repr(abs(n)).split("e")[0].replace(".", "").lstrip("0") for row in rows for n in row["embedding"]]
    assert max(map(len, digits)) <= 9  # float32 never needs more


def test_csv_is_exact_and_no_text_is_a_formula(tmp_path):
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", '\t="a"\nb,"c"']
    with written(tmp_path / "v.csv", evil).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "text", "0", "1", "2"]
    assert [row[1] for row in rows[1:]] == [f"'{text}" for text in evil]
    assert np.array_equal(np.array([row[2:] for row in rows[1:]], dtype=np.float32), VECTORS)
    assert (tmp_path / "v.csv").read_bytes().startswith(b"row,text,0,1,2\r\n")


def test_texts_can_be_left_out(tmp_path):
    assert pq.read_schema(written(tmp_path / "v.parquet", None)).names == ["row", "embedding"]
    assert "text" not in written(tmp_path / "v.jsonl", None).read_text()


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
def test_embeddings_are_read_back(tmp_path, suffix):
    path = written(tmp_path / f"v{suffix}")
    assert has_embeddings(path)
    embeddings, texts = load_embeddings(path)
    assert np.array_equal(embeddings, VECTORS)
    assert texts == (TEXTS if suffix == ".parquet" else None)
    assert stored_settings(path) == ({"model": "m"} if suffix == ".parquet" else {})


def test_other_files_are_no_embeddings(tmp_path):
    import pyarrow as pa

    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "t.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"nothing")
    assert not has_embeddings(tmp_path / "t.parquet")
    assert not has_embeddings(tmp_path / "broken.parquet")
    for name in ("t.parquet", "broken.parquet"):
        with pytest.raises(InputError, match=f"'{name}' holds no embeddings"):
            load_embeddings(tmp_path / name)
    np.save(tmp_path / "flat.npy", np.zeros(4))
    with pytest.raises(InputError, match=r"float64 of shape \(4,\); expected \(rows, hidden\)"):
        load_embeddings(tmp_path / "flat.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds no embeddings"):
        load_embeddings(tmp_path / "objects.npy")


def test_a_file_is_whole_or_not_there(tmp_path):
    target = tmp_path / "f"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(target) as file:
        file.write(b"half")
        _ = 1 / 0
    assert target.read_bytes() == b"old"
    assert [f.name for f in tmp_path.iterdir()] == ["f"]
