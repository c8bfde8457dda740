from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus.encodings import COMMON_ENCODINGS
from llm2vec_core.errors import InputError
from llm2vec_core.ui import user_texts
from llm2vec_core.ui.file_preview import file_preview
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


def upload(folder, name: str, content: str | bytes, header: bool | None = None):
    """An upload as the page reads it: how it is understood, and the texts of the guessed columns."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    reading = upload_reading(file, LIMITS, header)
    return reading, uploaded_texts(file, *reading.guessed_columns(), LIMITS, header=reading.header is not False)


def test_the_windows_encoding_keeps_its_letters_and_is_told(tmp_path):
    _, found = upload(tmp_path, "a.csv", "text;n\nnaïve café;1\n".encode("cp1252"))
    assert found.texts == ("naïve café",)
    assert any("read as cp1252" in note for note in found.notes)
    _, found = upload(tmp_path, "a.txt", "café\n".encode() + b"b\xffd\n")
    assert found.notes == ("1 rows were no valid text: wrong bytes became U+FFFD",)


RUSSIAN = "text;topic\nРека разлилась после дождя.;вода\nБанк ограбили в полдень.;деньги\n"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_a_file_whose_encoding_is_not_known_can_be_read_once_it_is_named(tmp_path, name):
    content = json.dumps({"text": "Река", "topic": "вода"}, ensure_ascii=False) if name == "a.jsonl" else RUSSIAN
    (tmp_path / name).write_bytes(content.encode("cp1251"))
    with pytest.raises(InputError, match="choose its encoding below, such as cp1251"):
        upload_reading(tmp_path / name, LIMITS)
    reading = upload_reading(tmp_path / name, LIMITS, encoding="cp1251")
    column, _ = reading.guessed_columns()
    found = uploaded_texts(tmp_path / name, column, None, LIMITS, encoding="cp1251")
    assert any("Река" in text for text in found.texts) and all(text in content for text in found.texts)
    assert "CP1251" in file_preview(reading, column, None)
    with pytest.raises(InputError, match="there is no encoding 'klingon'"):
        upload_reading(tmp_path / name, LIMITS, encoding="klingon")


def test_every_encoding_that_is_offered_is_one(tmp_path):
    for encoding in COMMON_ENCODINGS:
        (tmp_path / "a.txt").write_bytes("River 1, bank 2.\n".encode(encoding))
        assert uploaded_texts(tmp_path / "a.txt", "text", None, LIMITS, encoding=encoding).texts == (
            "River 1, bank 2.",
        )


def test_columns_are_those_of_all_records_and_a_missing_label_is_none(tmp_path):
    rows = [{"id": 1}, {"id": 2, "text": "a river", "label": "x"}, {"id": 3, "text": "a bank"}]
    reading, found = upload(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert reading.names == ("id", "text", "label")
    assert (found.texts, found.labels, found.left_out) == (("a river", "a bank"), ("x", ""), 1)


def test_nested_records_are_no_texts(tmp_path):
    rows = [{"id": 1, "meta": {"a": 1}, "body_of_it": "a river"}]
    reading, found = upload(tmp_path, "a.jsonl", json.dumps(rows[0]))
    assert reading.guessed_columns() == ("body_of_it", None) and found.texts == ("a river",)
    with pytest.raises(InputError, match="no column holds texts; there are meta"):
        upload(tmp_path, "a.jsonl", '{"meta": {"text": "a"}}')


def test_arrays_and_carriage_returns_are_read(tmp_path):
    assert upload(tmp_path, "a.jsonl", '[{"text": "a river"}]')[1].texts == ("a river",)
    assert upload(tmp_path, "a.csv", "text,n\ra river,1\ra bank,2\r")[1].texts == ("a river", "a bank")


@pytest.mark.parametrize(("column", "kind"), [([["a"]], "list"), ([{"a": "b"}], "struct"), ([b"a"], "binary")])
def test_columns_of_no_texts_are_named_with_the_fields_of_the_page(tmp_path, column, kind):
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no column holds texts"):
        upload_reading(tmp_path / "a.parquet", LIMITS).guessed_columns()
    with pytest.raises(InputError, match=rf"holds {kind}.*choose another column below") as error:
        uploaded_texts(tmp_path / "a.parquet", "text", None, LIMITS)
    assert "--" not in str(error.value)


def test_a_table_without_header_keeps_its_first_row(tmp_path):
    content = "A river flows.,water\nRain falls.,water\n"
    _, found = upload(tmp_path, "a.csv", content)
    assert found.texts == ("A river flows.", "Rain falls.")
    assert upload(tmp_path, "a.csv", content, header=True)[1].texts == ("Rain falls.",)


def test_the_preview_says_how_a_file_was_read_and_escapes_it(tmp_path):
    content = "text;topic;x\n<script>alert(1)</script>;<b>;1\n" + "y;z;2\n" * 20
    reading, _ = upload(tmp_path, "a.csv", content.encode("utf-16"))
    shown = file_preview(reading, "text", "topic")
    assert "UTF-16; columns separated by semicolon; first row: column names" in shown
    assert ">text (embedded)</th>" in shown and ">topic (label)</th>" in shown and shown.count('<th scope="col">') == 3
    assert "<script" not in shown and "&lt;script&gt;alert(1)&lt;/script&gt;" in shown and "&lt;b&gt;" in shown
    assert shown.count("<tr>") == 1 + 5
