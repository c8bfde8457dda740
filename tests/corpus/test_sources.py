"""Rows are counted as people count them: nothing splits a text, nothing loses one."""

from __future__ import annotations

import io
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus import lines
from llm2vec_core.corpus.parquet import check_parquet
from llm2vec_core.corpus.reading import column_names
from llm2vec_core.corpus.source import Mended, TextSource
from llm2vec_core.corpus.sources import KINDS, open_source, read_records, read_texts
from llm2vec_core.errors import InputError

AWKWARD = ["plain", "", "a\u2028b\u0085c\x0bd\x1ce", 'said "yes", twice', "tab?", " edges ", "東京", "🙂", "one\rtwo"]


def written(folder, name: str, content: bytes) -> TextSource:
    (folder / name).write_bytes(content)
    return open_source(str(folder / name))


def all_texts(*found: TextSource, mended: Mended | None = None) -> list[str]:
    return list(read_texts(found, mended))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False], ids=["closed", "open"])
def test_only_a_line_feed_ends_a_line(tmp_path, end, last):
    content = end.join(AWKWARD) + end * last
    assert all_texts(written(tmp_path, "t.txt", content.encode())) == AWKWARD


def test_blank_lines_are_rows(tmp_path):
    assert all_texts(written(tmp_path, "t.txt", b"\n\na\n\n")) == ["", "", "a", ""]


def test_records_of_every_kind(tmp_path):
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"id": 1, "text": text}) for text in AWKWARD))
    pq.write_table(pa.table({"id": range(len(AWKWARD)), "text": AWKWARD}), tmp_path / "t.parquet")
    quoted = ('"' + text.replace('"', '""') + '"' for text in AWKWARD)
    (tmp_path / "t.csv").write_bytes(("id,text\r\n" + "".join(f"1,{text}\r\n" for text in quoted)).encode())
    (tmp_path / "t.tsv").write_bytes(("id\ttext\n" + "".join(f"1\t{text}\n" for text in AWKWARD)).encode())
    (tmp_path / "t.json").write_text(json.dumps([{"id": 1, "text": text} for text in AWKWARD], indent=1))
    for kind in KINDS.keys() - {"txt"}:
        assert all_texts(open_source(str(tmp_path / f"t.{kind}"))) == AWKWARD, kind


def test_a_text_in_quotation_marks_may_have_several_lines(tmp_path):
    source = written(tmp_path, "t.csv", b'text\n"first\nsecond"\n\n""\n')
    assert all_texts(source) == ["first\nsecond", ""]


def test_several_columns_and_tables_without_header(tmp_path):
    (tmp_path / "t.csv").write_text("b,x,a\n1,2,3\n")
    assert list(read_records(open_source(str(tmp_path / "t.csv"), ("a", "b")))) == [("3", "1")]
    (tmp_path / "t.tsv").write_text("1\t2\n\n3\t4\n")
    assert list(read_records(open_source(str(tmp_path / "t.tsv"), ("a", "b"), header=False))) == [
        ("1", "2"),
        ("3", "4"),
    ]


def test_large_and_dictionary_strings(tmp_path):
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).cast(kind)}), tmp_path / "t.parquet")
        assert all_texts(open_source(str(tmp_path / "t.parquet"))) == ["a", "b", "a"]


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"one\n\ntwo")))
    assert all_texts(open_source("-")) == ["one", "", "two"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "x"}\n')))
    assert all_texts(open_source("-", kind="jsonl")) == ["x"]


def test_byte_order_marks(tmp_path):
    assert all_texts(written(tmp_path, "t.txt", b"\xef\xbb\xbfa\nb\n")) == ["a", "b"]


@pytest.mark.parametrize("kind", ["txt", "csv", "tsv", "jsonl", "parquet"])
def test_invalid_utf8_is_mended_and_noted(tmp_path, kind):
    bad = [b"fine", b"na\xefve", b"\xff", b"fine"]
    content = {
        "txt": b"\n".join(bad),
        "csv": b"\n".join([b"text", *bad]),
        "tsv": b"\n".join([b"text", *bad]),
        "jsonl": b"\n".join(b'{"text": "' + text + b'"}' for text in bad),
    }
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"text": pa.array(bad, type=pa.binary()).view(pa.string())}), path)
    else:
        path.write_bytes(content[kind])
    mended = Mended()
    assert all_texts(open_source(str(path)), mended=mended) == ["fine", "na\ufffdve", "\ufffd", "fine"]
    first = 3 if kind in ("csv", "tsv") else 2  # a header is a line too
    assert (mended.rows, mended.places) == (2, [f"t.{kind}, line {first}", f"t.{kind}, line {first + 1}"])
    with pytest.raises(InputError, match=rf"t.{kind}, line {first}: byte \d+ \(0xef\) is no valid UTF-8"):
        all_texts(open_source(str(path)), mended=Mended(strict=True))


def test_only_the_first_places_are_kept(tmp_path):
    mended = Mended()
    all_texts(written(tmp_path, "t.txt", b"a fine line \xff\n" * 100), mended=mended)
    assert (mended.rows, len(mended.places)) == (100, 5)


def test_null_and_half_characters_are_mended(tmp_path):
    mended = Mended()
    source = written(tmp_path, "t.jsonl", b'{"text": null}\n{"text": "a\\ud800b"}\n')
    assert all_texts(source, mended=mended) == ["", "a\ufffdb"]
    assert mended.rows == 2
    with pytest.raises(InputError, match=r"t.jsonl, line 1: the text is null"):
        all_texts(source, mended=Mended(strict=True))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", b'{"text": 3}\n', r"t.jsonl, line 1: expected a text, found 3"),
        ("t.jsonl", b'{"text": "a"}\n{"body": "b"}\n', r"t.jsonl, line 2: no field 'text'; found fields body"),
        ("t.jsonl", b"[1]\n", r"t.jsonl, record 1: expected a record such as .* found 1"),
        ("t.jsonl", b'{"text": "a"\n', r"t.jsonl, line 1: no JSON"),
        ("t.jsonl", b"[" * 100_000, r"t.jsonl, record 1 holds lists or objects too deep"),
        ("t.jsonl", b'{"text": "a"}\n{"text": ' + b"[" * 100_000, r"t.jsonl, line 2 holds lists or objects too deep"),
        (
            "t.jsonl",
            b'{"text": "a"}\n{"n": -' + b"7" * 5_000 + b"}",
            r"line 2 holds a whole number of more than 4,300 digits",
        ),
        (
            "t.json",
            b'[{"text": "a"}, {"n": ' + b"7" * 5_000 + b"}]",
            r"record 2 holds a whole number of more than 4,300 dig",
        ),
        ("t.csv", b"a,b\n1,2\n", r"t.csv has no column 'text'; it has a, b \(separated by comma\)"),
        ("t.csv", b"", r"t.csv has no column 'text'; it has none$"),
        ("t.csv", b"text,b\n1,2,3\n", r"t.csv, line 2: 3 fields where 2 are expected"),
        ("t.csv", b'text\n"never closed\nx\n', r"t.csv, line 3: no CSV .*quotation mark"),
        ("t.tsv", b"text\tb\nonly\n", r"t.tsv, line 2: 1 fields where 2 are expected"),
        ("t.parquet", b"PAR1 no", r"t.parquet is no readable parquet file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message):
        all_texts(written(tmp_path, name, content))


def test_parquet_columns_are_checked(tmp_path):
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t.parquet has no column 'text'; it has n"):
        all_texts(open_source(str(tmp_path / "t.parquet")))
    with pytest.raises(InputError, match="holds int64; expected texts"):
        all_texts(open_source(str(tmp_path / "t.parquet"), ("n",)))


def test_unusable_names(tmp_path):
    (tmp_path / "t.doc").write_text("x")
    for name, kind, message in [
        (str(tmp_path / "none.txt"), None, "there is no file 'none.txt'"),
        (str(tmp_path), None, "is a folder"),
        (str(tmp_path / "t.doc"), None, "of no known kind; name one of txt, jsonl, json, csv, tsv, parquet"),
        ("-", "parquet", "cannot be read from standard input"),
    ]:
        with pytest.raises(InputError, match=message):
            open_source(name, kind=kind)
    assert all_texts(open_source(str(tmp_path / "t.doc"), kind="txt")) == ["x"]


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 2**20)
    with pytest.raises(InputError, match=r"t.txt, line 2: longer than 1 MiB"):
        all_texts(written(tmp_path, "t.txt", b"a\n" + b"x" * (2**20 + 1)))


@pytest.mark.parametrize("kind", ["txt", "parquet"])
def test_reading_takes_little_memory(tmp_path, kind):
    rows = 60_000
    path = tmp_path / f"t.{kind}"
    if kind == "txt":
        path.write_bytes(b"x" * 199 + b"\n" + (b"y" * 199 + b"\n") * (rows - 1))
    else:
        # One row group: the worst that a parquet file can do to a reader.
        pq.write_table(pa.table({"text": [f"{i:0199}" for i in range(rows)]}), path, row_group_size=rows)
    held = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_texts([open_source(str(path))]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == rows
    assert peak + max(0, pa.total_allocated_bytes() - held) < 3e6  # of 12 MB


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("t.csv", b'"a, b",c\n1,2\n', ("a, b", "c")),
        ("t.tsv", b"a\tb\r\n1\t2\r\n", ("a", "b")),
        ("t.jsonl", b'\n{"a": 1, "b": "x"}\n{"c": 1}\n', ("a", "b", "c")),
        ("t.txt", b"one line\n", ("text",)),
        ("t.jsonl", b"", ()),
        ("t.csv", b"", ()),
        ("t.tsv", b"", ()),
    ],
)
def test_column_names(tmp_path, name, content, columns):
    assert column_names(written(tmp_path, name, content)) == columns


def test_column_names_of_parquet_and_of_what_cannot_be_read_ahead(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "t.parquet")
    assert column_names(open_source(str(tmp_path / "t.parquet"))) == ("a", "b")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"broken\.parquet is no readable parquet"):
        column_names(open_source(str(tmp_path / "broken.parquet")))
    with pytest.raises(InputError, match="read ahead"):
        column_names(open_source("-"))


def test_numbers_count_as_texts_where_they_are_asked_for(tmp_path):
    pq.write_table(pa.table({"a": [1, 0], "b": ["x", "y"]}), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text('{"a": 1, "b": "x"}\n{"a": 0, "b": "y"}\n')
    for kind in ("parquet", "jsonl"):
        file = str(tmp_path / f"t.{kind}")
        assert list(read_records(open_source(file, ("a", "b"), numbers=True))) == [("1", "x"), ("0", "y")]
        with pytest.raises(InputError, match=r"expected a text|expected texts"):
            list(read_records(open_source(file, ("a", "b"))))


def test_a_parquet_file_from_elsewhere_is_bounded_before_it_is_read(tmp_path):
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["ä" * 300] * 4, "n": [1, 2, 3, 4], "list": [["y" * 900]] * 4}), file)
    bounds = {"rows": 4, "unpacked": 2**20, "characters": 150}
    check_parquet(file, ("text", "n", "list"), **bounds)  # 600 bytes may be 150 characters
    check_parquet(file, (), **bounds | {"characters": 1})
    for changed, told in (
        ({"rows": 3}, "4 rows; at most 3"),
        ({"unpacked": 10}, "unpacks to 0 MiB"),
        ({"characters": 149}, "a text of 600 bytes; at most 149 characters"),
    ):
        with pytest.raises(InputError, match=told):
            check_parquet(file, ("text",), **bounds | changed)
    file.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match="is no readable parquet file"):
        check_parquet(file, ("text",), **bounds)
