from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.ui import user_texts
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.user_texts import our_collection, pasted_texts, upload_reading, uploaded_texts

LIMITS = Limits()
ROWS = [("a river", "water"), ("a bank", "money"), ("<b>bold</b>", "")]


def write(folder, kind):
    file = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"text": [r[0] for r in ROWS], "topic": [r[1] for r in ROWS]}), file)
    elif kind == "jsonl":
        file.write_text("\n".join(json.dumps({"text": a, "topic": b}) for a, b in ROWS))
    elif kind == "txt":
        file.write_text("\n".join(a for a, _ in ROWS))
    else:
        tab = {"csv": ",", "tsv": "\t"}[kind]
        file.write_text("\n".join([f"text{tab}topic", *(f"{a}{tab}{b}" for a, b in ROWS)]))
    return file


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_gives_the_same_texts_and_labels(tmp_path, kind):
    file = write(tmp_path, kind)
    assert upload_reading(file, LIMITS).names == ("text", "topic")
    found = uploaded_texts(file, *upload_reading(file, LIMITS).guessed_columns(), LIMITS)
    assert found.texts == tuple(a for a, _ in ROWS)
    assert found.labels == ("water", "money", "")
    assert uploaded_texts(file, "topic", None, LIMITS).texts == ("water", "money")
    assert uploaded_texts(file, "topic", None, LIMITS).left_out == 1


def test_a_text_file_has_one_column(tmp_path):
    file = write(tmp_path, "txt")
    assert upload_reading(file, LIMITS).names == ("text",)
    assert uploaded_texts(file, "text", None, LIMITS).labels is None


def test_numbers_are_labels_and_missing_ones_are_none(tmp_path):
    file = tmp_path / "n.parquet"
    pq.write_table(pa.table({"text": ["a", "b", "c"], "label": [1.5, float("nan"), None]}), file)
    assert uploaded_texts(file, "text", "label", LIMITS).labels == ("1.5", "", "")


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("", "no text in your lines"),
        (None, "no text in your lines"),
        (" \n\t\n", "no text in your lines"),
        ("x" * 20_001, "Row 1 of your lines has 20,001 characters; at most 20,000"),
        ("a\n" * 20_001, "more than 20,000 texts"),
        ("y" * 10_000_001, "10,000,001 characters were pasted; at most 10,000,000"),
    ],
)
def test_what_is_pasted_is_bounded(pasted, message):
    with pytest.raises(InputError, match=message):
        pasted_texts(pasted, LIMITS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.exe", b"MZ", "a.exe is of no kind that can be read here; upload one of txt"),
        ("a.zip", b"PK\x03\x04", "of no kind"),
        ("a.csv", b"", "a.csv is empty"),
        ("a.jsonl", b"[1, 2]", "expected a record"),
        ("a.jsonl", b"{", "no JSON"),
        ("a.parquet", b"PAR1", "no readable parquet"),
        ("a.csv", b"a,b\n1,2,3\n", "3 fields where 2"),
        ("a.txt", b"\x00\x01\x02", "a binary file and no text"),
        ("a.csv", ",".join(f"c{i}" for i in range(201)).encode() + b"\n", "201 columns; at most 200"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        columns = upload_reading(file, LIMITS).names
        uploaded_texts(file, columns[0], None, LIMITS)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(InputError, match="no column 'body'"):
        uploaded_texts(write(tmp_path, "parquet"), "body", None, LIMITS)


def test_a_packed_file_is_not_unpacked_beyond_measure(tmp_path, monkeypatch):
    many = tmp_path / "many.parquet"
    pq.write_table(pa.table({"text": ["a"] * 20_001}), many)
    with pytest.raises(InputError, match="20,001 rows; at most 20,000"):
        uploaded_texts(many, "text", None, LIMITS)
    bomb = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": ["x" * 2_000_000] * 50}), bomb, compression="zstd")
    assert bomb.stat().st_size < 100_000
    with pytest.raises(InputError, match="a text of 2,000,000 bytes"):
        uploaded_texts(bomb, "text", None, LIMITS)
    monkeypatch.setattr(user_texts, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(InputError, match="unpacks to 2 MiB; at most 1 MiB"):
        uploaded_texts(bomb, "text", None, LIMITS)


def test_more_than_fits_is_refused_whatever_the_kind(tmp_path):
    file = write(tmp_path, "csv")
    with pytest.raises(InputError, match="more than 2 texts"):
        uploaded_texts(file, "text", None, replace(LIMITS, user_texts=2))
    with pytest.raises(InputError, match="more than 10 characters in all"):
        uploaded_texts(file, "text", None, replace(LIMITS, user_characters=10))
    assert uploaded_texts(file, "text", "topic", replace(LIMITS, label_characters=3)).labels == ("wat", "mon", "")


def test_our_collection_is_labelled():
    ours = our_collection()
    assert len(ours) == len(ours.labels) == 324
    assert len(set(ours.labels)) == 12
