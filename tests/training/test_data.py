from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.training.data import HubDataset, PackedTexts, cut_texts, read_texts, split_sentences


def test_each_kind_of_file(tmp_path):
    lines, tables = tmp_path / "lines", tmp_path / "tables"
    lines.mkdir()
    tables.mkdir()
    (lines / "a.txt").write_text("one\n\n two \n")
    (tables / "b.jsonl").write_text('{"text": "three"}\n\n{"text": "four"}\n')
    pq.write_table(pa.table({"text": ["five", "", None, "six"]}), tables / "c.parquet")
    (tables / "d.csv").write_text("label,text\n1,seven\n0,eight\n")
    (tables / "ignored.md").write_text("no")
    assert list(read_texts(lines)) == ["one", "two"]
    assert list(read_texts(tables)) == ["three", "four", "five", "six", "seven", "eight"]


def test_bytes_that_are_no_utf8_do_not_stop_the_reading(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"good\nb\xffd\n")
    assert list(read_texts(tmp_path / "a.txt")) == ["good", "b\ufffdd"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.md", "x", "no known kind"),
        ("a.csv", "words\na\n", "no column 'text'"),
        ("a.jsonl", '{"text": "ok"}\n{"txt": 1}\n', "line 2"),
        ("a.jsonl", "not json\n", "line 1"),
        ("a.jsonl", "[1]\n", "record 1"),
    ],
)
def test_wrong_files(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_texts(tmp_path / name))


def test_another_column_and_a_data_set(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "one", "text": "no"}\n{"body": "two", "text": "no"}\n')
    assert list(read_texts(tmp_path / "a.jsonl", "body")) == ["one", "two"]
    assert list(read_texts(HubDataset(str(tmp_path)), "body")) == ["one", "two"]


def test_packed_texts_are_the_tokens_of_all_texts(bundled):
    texts = ["The bank was steep and muddy.", " ", "A river flows to the sea."]
    packed = PackedTexts(bundled.tokenizer, texts, 5)
    tokens = [token for text in texts if text.strip() for token in bundled.tokenizer(text)["input_ids"]]
    assert [token for row in packed for token in row.input_ids] == tokens[: len(tokens) // 5 * 5]
    assert [row.input_ids for row in packed[1:3]] == [packed[1].input_ids, packed[2].input_ids]
    assert len(PackedTexts(bundled.tokenizer, [], 5)) == 0


def test_missing_things(tmp_path):
    with pytest.raises(InputError, match=r"no file 'x\.txt'"):
        list(read_texts(tmp_path / "x.txt"))
    with pytest.raises(InputError, match="holds no"):
        list(read_texts(tmp_path))
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'text'"):
        list(read_texts(tmp_path / "a.parquet"))


def test_sentences_are_cut_at_their_ends_only():
    text = 'Dr. Who met Mrs. Jones at 3.5 km. "Really?" She left, e.g. by train. Then it rained'
    assert split_sentences(text) == [
        "Dr. Who met Mrs. Jones at 3.5 km.",
        '"Really?"',
        "She left, e.g. by train.",
        "Then it rained",
    ]
    assert split_sentences("   ") == []


def test_units_and_lengths():
    texts = ["First one. Second one.\nA new paragraph."]
    assert list(cut_texts(texts, "document")) == texts
    assert list(cut_texts(texts, "paragraph")) == ["First one. Second one.", "A new paragraph."]
    assert list(cut_texts(texts, "sentence", min_characters=11, max_characters=12)) == ["Second one."]
