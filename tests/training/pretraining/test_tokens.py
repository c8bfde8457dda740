from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llm2vec_core.training.pretraining.tokenizer import train_tokenizer
from llm2vec_core.training.pretraining.tokens import read_documents, split_paragraphs, tokenize_documents


def test_titles_join_the_paragraph_below():
    assert split_paragraphs("Title\nHeading\nA paragraph that is long enough.\n\nAnother one of that length.", 20) == [
        "Title: Heading: A paragraph that is long enough.",
        "Another one of that length.",
    ]
    assert split_paragraphs("only a title", 20) == []


def test_each_paragraph_begins_and_each_document_ends():
    tokenizer = train_tokenizer(["aaa bbb ccc"] * 5, 262)
    long = "a" * 70
    ids = tokenize_documents(iter([f"{long}\n{long}", long, "short"]), tokenizer, chunk=2)
    assert ids.dtype == np.uint16
    marks = [int(i) for i in ids if i in (1, 2)]
    assert marks == [1, 1, 2, 1, 2]


def test_nothing_to_tokenize():
    assert len(tokenize_documents(iter([]), train_tokenizer(["a"], 261))) == 0


def test_documents_come_from_all_files_in_order(tmp_path):
    for name, texts in (("b", ["three"]), ("a", ["one", "two"])):
        pq.write_table(pa.table({"text": texts}), tmp_path / f"{name}.parquet")
    assert list(read_documents(sorted(tmp_path.glob("*.parquet")))) == ["one", "two", "three"]
