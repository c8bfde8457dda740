"""The one command, on a corpus of a few sentences: from parquet files to a model that loads, and on from there."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.training.pretraining.__main__ import main

OPTIONS = [
    "--vocab-size", "300", "--hidden-size", "64", "--layers", "2", "--heads", "2", "--context-length", "32",
    "--steps", "104", "--decay-steps", "2", "--batch-size", "2", "--sequence-length", "16",
]  # fmt: skip


@pytest.fixture
def corpus(tmp_path):
    text = "The river bank was steep and the water of the river ran down to the sea. " * 4
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("train-0.parquet", "valid.parquet"):
        pq.write_table(pa.table({"text": [text] * 20}), folder / name)
    return folder


def test_from_documents_to_a_model_that_loads_and_on_from_there(corpus, tmp_path):
    base = ["--corpus", str(corpus), *OPTIONS]
    main([*base, "--work", str(tmp_path / "work"), "--export", str(tmp_path / "model")])
    encoder = LLM2Vec.from_pretrained(tmp_path / "model")
    assert encoder.encode("The RIVER").shape == (64,)
    assert encoder.prefix_test().is_bidirectional
    main(
        [
            *base,
            "--work",
            str(tmp_path / "more"),
            "--start-from",
            str(tmp_path / "model"),
            "--export",
            str(tmp_path / "model2"),
        ]
    )
    again = LLM2Vec.from_pretrained(tmp_path / "model2")
    assert again.tokenizer("the river")["input_ids"] == encoder.tokenizer("the river")["input_ids"]
    assert (tmp_path / "more" / "report.json").is_file()


def test_a_folder_without_a_corpus(tmp_path):
    with pytest.raises(SystemExit, match="holds no train"):
        main(["--corpus", str(tmp_path), "--work", str(tmp_path / "work")])
