from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.bundled_data import passages
from llm2vec_core.cli import main
from llm2vec_core.evaluation.tasks.sts import TASK
from llm2vec_core.presets import ASSETS
from llm2vec_core.training.data import split_sentences

# Their first sentences: what commands do does not depend on how long a text is, and what they cost does.
PASSAGES = [split_sentences(p.text)[0] for p in passages()[::16]]
PAIRS = [
    ("A cat sleeps.", "A dog barks."),
    ("The bank was steep.", "The bank was robbed."),
    ("One.", "Two or three."),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the files that the examples of ``--help`` name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").symlink_to(ASSETS)
    (tmp_path / "texts.txt").write_text("\n".join(PASSAGES))
    (tmp_path / "queries.txt").write_text("Why do rivers flood?\nWhat do stars burn?\n")
    records = [{"body": text, "topic": ("water", "stars")[i % 2], "year": 2000 + i} for i, text in enumerate(PASSAGES)]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS))
    rows = [dict(zip(("sentence1", "sentence2"), pair, strict=True)) for pair in PAIRS]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labelled = [{"query": a, "positive": b, "negative": ""} for a, b in zip(PASSAGES[:6], PASSAGES[6:12], strict=True)]
    (tmp_path / "training.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled))
    (tmp_path / "sts").mkdir()
    scores = pa.table({**pa.Table.from_pylist(rows).to_pydict(), "score": [1.0, 2.0, 0.0]})
    for name in TASK.sets:
        pq.write_table(scores, tmp_path / "sts" / f"{name}.parquet")
    return tmp_path


@pytest.fixture
def feed(monkeypatch):
    """Put bytes on standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.fixture
def run(capsys):
    """Run a command; (exit code, standard output, standard error)."""

    def call(*arguments: str):
        capsys.readouterr()
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture(scope="session")
def passage_embeddings(bundled) -> np.ndarray:
    return bundled.encode(PASSAGES)


@pytest.fixture(autouse=True)
def few_loads(bundled_models_load_once):
    """For every command of these tests."""
