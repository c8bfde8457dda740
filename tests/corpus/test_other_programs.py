"""Files as other programs write them (pandas is the writer): read to the letter, or refused by name."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from contextlib import suppress

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus.reading import column_names, inspect_file
from llm2vec_core.corpus.source import Mended
from llm2vec_core.corpus.sources import open_source, read_records, read_texts
from llm2vec_core.errors import InputError

TEXTS = [
    "A river bank, muddy; and steep | wide",
    'He said "yes" twice',
    "two\nlines",
    "naïve café, señor",
    "It’s “quoted” – 5 €",
    "",
    "plain",
]
TABLE = pd.DataFrame({"id": range(len(TEXTS)), "text": TEXTS, "label": ["a", "b", "a", "b", "a", "b", "c"]})
QUOTING = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL, "nonnumeric": csv.QUOTE_NONNUMERIC}


def read(path, mended=None, **options) -> list[str]:
    return list(read_texts([open_source(str(path), **options)], mended))


def put(folder, name: str, content: str | bytes):
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


@pytest.mark.parametrize("quoting", QUOTING)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_as_pandas_writes_them(tmp_path, delimiter, encoding, end, quoting):
    table = TABLE.replace("two\nlines", f"two{end}lines")
    for kind in ("csv", "tsv"):
        path = tmp_path / f"t.{kind}"
        table.to_csv(
            path, sep=delimiter, encoding=encoding, lineterminator=end, index=False, quoting=QUOTING[quoting],
            doublequote=True,
        )  # fmt: skip
        mended = Mended()
        assert read(path, mended) == table["text"].tolist()
        assert mended.rows == 0
        assert inspect_file(open_source(str(path))).names == ("id", "text", "label")
        # Nothing is wanted by name: still the same table.
        assert list(read_records(open_source(str(path), ("label", "id"))))[1] == ("b", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_and_json_lines(tmp_path, encoding, end):
    lines = ["naïve café", "plain", "Über den Fluß"]
    assert read(put(tmp_path, "t.txt", end.join(lines).encode(encoding))) == lines
    records = [json.dumps({"text": line}, ensure_ascii=False) for line in lines]
    for content in (end.join(records), f"[{f',{end}'.join(records)}]"):
        for kind in ("json", "jsonl"):
            assert read(put(tmp_path, f"t.{kind}", content.encode(encoding))) == lines


def test_utf_16_without_a_mark_beyond_latin(tmp_path):
    for text in ("Река течёт в море.\nБанк стоит на берегу.\n", "河流入海。\n银行在城里。\n"):
        for encoding in ("utf-16-le", "utf-16-be"):
            assert read(put(tmp_path, "t.txt", text.encode(encoding))) == text.splitlines()


def test_a_guessed_encoding_is_told_and_can_be_named(tmp_path):
    path = put(tmp_path, "t.txt", "naïve café\n".encode("cp1252"))
    mended = Mended()
    assert read(path, mended) == ["naïve café"]
    assert mended.notes == ["t.txt is no UTF-8 and is read as cp1252, the Windows encoding"]
    with pytest.raises(InputError, match=r"line 1: byte 3 \(0xef\) is no valid UTF-8"):
        read(path, Mended(strict=True))
    czech = put(tmp_path, "t.txt", "Řeka teče do moře\n".encode("cp1250"))
    assert read(czech, encoding="cp1250") == ["Řeka teče do moře"]
    with pytest.raises(InputError, match="there is no encoding 'cp9999'"):
        read(czech, encoding="cp9999")
    with pytest.raises(InputError, match="there is no encoding 'base64'"):
        read(czech, encoding="base64")


WESTERN = {
    "french": "L'élève a mangé une crème brûlée. Où êtes-vous allés ? Le garçon était là.\nUn café.\n",
    "german": "Über den Fluß führt eine schöne Brücke.\nDie Bäume sind grün.\n",
    "spanish": "El niño comió piñas. ¿Cómo estás? ¡Qué día! La canción española.\n",
    "italian": "È così: la città è già più bella. Perché no?\n",
    "swedish": "Åsa går över ån på bron. Vi är från Malmö.\n",
    "danish": "Ræven løber på åen. Blåbærgrød.\n",
    "portuguese": "A ação não é possível. Você está aqui; até amanhã, irmão.\n",
    "a price": "Der Preis beträgt 100 € für Bücher.\n",
    "one word": "Un café.\n",
}


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-15", "mac-roman", "cp437", "cp850"])
@pytest.mark.parametrize("language", WESTERN)
def test_what_western_europe_wrote_before_unicode(tmp_path, language, encoding):
    """The right letters, or no letters at all where the encoding does not have them."""
    text = WESTERN[language]
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        return
    mended = Mended()
    assert read(put(tmp_path, "t.txt", raw), mended) == text.splitlines()
    (note,) = mended.notes
    assert raw.decode(note.split(" is read as ")[1].split(",")[0]) == text and mended.rows == 0


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        (
            "João não está em São Paulo.\n",
            "mac-roman",
            "mac-roman or cp437 would fit both; .* say such as mac-roman, cp437",
        ),
        ("Ideeën, coëfficiënt.\n", "cp850", "mac-roman or cp437 would fit both"),
        ("Zażółć gęślą jaźń.\n", "cp1250", "its encoding is not known; .* say such as cp1251"),
        ("Zażółć gęślą jaźń.\n", "iso-8859-2", "its encoding is not known"),
        ("Şişli'de öğrenci akıyor.\n", "cp1254", "its encoding is not known"),
        ("Řeka teče do moře\n", "mac-latin2", "its encoding is not known"),
    ],
)
def test_letters_that_several_encodings_or_none_would_explain_are_no_damage(tmp_path, text, encoding, message):
    path = put(tmp_path, "t.txt", text.encode(encoding))
    with pytest.raises(InputError, match=message):
        read(path, encoding_hint="say")
    assert read(path, encoding=encoding) == [text.strip()]


def test_a_damaged_byte_in_a_long_file_is_damage(tmp_path):
    mended = Mended()
    raw = b"The bank was robbed.\n" * 500 + b"The riv\x81er rose.\n" + b"The bank was robbed.\n" * 500
    assert read(put(tmp_path, "t.txt", raw), mended)[500] == "The riv\ufffder rose."
    assert mended.rows == 1 and not mended.notes


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Река течёт в море. Банк стоит на берегу.\n", "cp1251"),
        ("Река течёт в море. Банк стоит на берегу.\n", "koi8_r"),
        ("河流入海。银行在城里。\n", "gb18030"),
        ("川は海に流れる。銀行は町にある。\n", "shift_jis"),
        ("강은 바다로 흐른다. 은행은 도시에 있다.\n", "euc_kr"),
        ("Το ποτάμι ρέει στη θάλασσα.\n", "cp1253"),
    ],
)
def test_another_alphabet_is_refused_and_not_read_as_something_else(tmp_path, text, encoding):
    path = put(tmp_path, "t.txt", text.encode(encoding))
    with pytest.raises(InputError, match="is no UTF-8, and its encoding is not known; save it as UTF-8, or say such"):
        read(path, encoding_hint="say")
    assert read(path, encoding=encoding) == [text.strip()]


def test_damaged_utf8_stays_utf8(tmp_path):
    mended = Mended()
    assert read(put(tmp_path, "t.txt", "naïve\ncafé\n".encode() + b"b\xe9d\n"), mended) == ["naïve", "café", "b\ufffdd"]
    assert (mended.rows, mended.notes) == (1, [])


def test_an_encoding_that_shows_late(tmp_path):
    late = "x" * 79 + "\n"
    for encoding, note in (("utf-8", 0), ("cp1252", 1)):
        mended = Mended()
        path = put(tmp_path, "t.txt", late.encode() * 30_000 + "Zoé écrit à Señor Muñoz\n".encode(encoding))
        assert read(path, mended)[-1] == "Zoé écrit à Señor Muñoz"
        assert (mended.rows, len(mended.notes)) == (0, note)


@pytest.mark.parametrize("named", ["utf-16", "utf-32", "UTF16"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_a_named_encoding_of_several_bytes_without_a_mark(tmp_path, named, order):
    """Python's own codec wants a mark there."""
    text = "naïve café\nРека течёт\n"
    width = "32" if "32" in named else "16"
    assert read(put(tmp_path, "t.txt", text.encode(f"utf-{width}-{order}")), encoding=named) == text.splitlines()
    assert read(put(tmp_path, "t.txt", text.encode(f"utf-{width}")), encoding=named) == text.splitlines()


def test_names_and_texts_with_half_a_character(tmp_path):
    content = '{"text": "a\\ud800", "b\\ud800": 1}\n{"text": "c"}\n'
    reading = inspect_file(open_source(str(put(tmp_path, "t.jsonl", content))))
    assert (reading.names, reading.rows[0]) == (("text", "b\ufffd"), ("a\ufffd", "1"))
    with pytest.raises(InputError, match="no field 'x'; found fields text, b\ufffd"):
        read(tmp_path / "t.jsonl", columns=("x",))
    mended = Mended()
    assert read(tmp_path / "t.jsonl", mended) == ["a\ufffd", "c"] and mended.rows == 1


def test_dates_that_python_does_not_know(tmp_path):
    columns = {
        "text": pa.array(["a"]),
        "late": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        "far": pa.array([2**40], pa.timestamp("s")),
        "long": pa.array([2**62], pa.duration("s")),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    reading = inspect_file(open_source(str(tmp_path / "t.parquet")))
    assert reading.names == tuple(columns) and reading.guessed_columns() == ("text", None)
    assert read(tmp_path / "t.parquet") == ["a"]


def test_damaged_parquet_is_a_typed_error(tmp_path):
    """A byte that is another one: an error of ours, or a file that is read."""
    file, rng = tmp_path / "t.parquet", random.Random(0)
    pq.write_table(pa.table({"text": ["a river", "b"] * 9}), file)
    content = file.read_bytes()
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content) * 2 // 3, len(content))] = rng.randrange(256)
        file.write_bytes(damaged)
        with suppress(InputError):
            assert inspect_file(open_source(str(file))).names is not None
            assert isinstance(read(file), list)


def test_the_line_that_names_the_separator(tmp_path):
    for delimiter in ";,|^\t":
        path = put(tmp_path, "t.csv", f"sep={delimiter}\r\nid{delimiter}text\r\n1{delimiter}river\r\n")
        assert read(path) == ["river"]
        assert column_names(open_source(str(path))) == ("id", "text")


def test_the_wanted_column_decides_between_delimiters(tmp_path):
    path = put(tmp_path, "t.csv", "text;a, b\nriver;x, y\nbank;z, w\n")
    assert read(path) == ["river", "bank"]
    assert read(put(tmp_path, "t.csv", "text,a;b\nriver,x;y\n")) == ["river"]
    assert read(put(tmp_path, "t.csv", "name;price;text\nx;1,5;river\ny;2,5;bank\n")) == ["river", "bank"]


def test_quotation_marks_of_a_plain_tsv_are_text(tmp_path):
    rows = ['"Really?" she said', 'a "b"', '"alone"']
    assert read(put(tmp_path, "t.tsv", "text\tn\n" + "".join(f"{row}\t1\n" for row in rows))) == rows


def test_blanks_and_delimiters_at_the_end(tmp_path):
    assert read(put(tmp_path, "t.csv", 'id, text\n1, "a, b"\n2, c\n')) == ["a, b", "c"]
    assert read(put(tmp_path, "t.csv", "id,text\n1,a,,\n2,b,,\n")) == ["a", "b"]
    with pytest.raises(InputError, match="line 2: 3 fields where 2 are expected"):
        read(put(tmp_path, "t.csv", "id,text\n1,a,b\n"))


def test_columns_that_are_there_twice(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv has the column 'text' 2 times"):
        read(put(tmp_path, "t.csv", "text,text\na,b\n"))


def test_tables_without_a_header(tmp_path):
    path = put(tmp_path, "t.csv", "A river flows.,water\nRain falls.,water\n")
    reading = inspect_file(open_source(str(path)))
    assert (reading.header, reading.names) == (False, ("column 1", "column 2"))
    assert reading.rows[0] == ("A river flows.", "water")
    assert reading.guessed_columns() == ("column 1", None)
    for column in ("column 1", "1"):
        assert read(path, columns=(column,), header=False) == ["A river flows.", "Rain falls."]
    with pytest.raises(InputError, match="has no column 'text'; it has column 1, column 2"):
        read(path, header=False)
    assert read(put(tmp_path, "one.csv", "a river\n"), header=False) == ["a river"]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("text,label\nriver,1\n", True),
        ("words,n\nriver,1\nbank,2\n", True),
        ("What do you think?,n\nfine,1\n", True),
        ("river,1\nbank,2\n", False),
        ("The bank was robbed at noon,money\nRain,water\n", False),
        ("water,Rain\nwater,Flood\n", False),
        ("Hi there.\nYou\n", False),
        ("satz,thema\nEin Fluß,Wasser\n", True),
        ("a,,b\n1,2,3\n", True),
    ],
)
def test_what_seems_a_header(tmp_path, content, header):
    assert inspect_file(open_source(str(put(tmp_path, "t.csv", content)))).header is header


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", gzip.compress(b"text\na\n", mtime=0), "t.csv is a gzip archive: unpack it first"),
        ("t.csv.gz", gzip.compress(b"text\na\n", mtime=0), "t.csv.gz is a gzip archive"),
        ("t.xlsx", b"PK\x03\x04", "a zip archive or an Office document: unpack it, or save the table as CSV"),
        ("t.csv", b"PK\x03\x04", "a zip archive or an Office document"),
        ("t.jsonl", b"PAR1....", "is a parquet file: name it .parquet"),
        ("t.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer .* git lfs pull"),
        ("t.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        ("t.txt", b"\x7fELF\x02\x01\x01\x00\x00\x00", "is a binary file and no text: it holds NUL bytes"),
        ("t.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is a binary file and no text"),
        ("t.txt", bytes(range(1, 32)), "is a binary file and no text: .* control characters"),
        ("t.txt", b"x" * 70_000 + b"\nab\x00c\n", "t.txt, line 2: a NUL byte"),
        ("t.json", b'{\n "text": ["a", "b"]\n}\n', "one record stands in one line, or all in an array"),
        ("t.json", b'[{"text": "a"}, {"text": "b"', "record 2: no JSON"),
        ("t.json", b'[{"text": "a"}] []', "something stands behind the array"),
        ("t.json", b'[{"text": "a"}, "b"]', "record 2: expected a record"),
        ("t.jsonl", b'{"text": {"en": "a"}}', r"line 1: expected a text, found \{'en': 'a'\} in 'text'"),
    ],
)
def test_what_is_no_table_and_no_text(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message):
        read(put(tmp_path, name, content))


def test_a_long_array_is_read_a_piece_at_a_time(tmp_path):
    texts = [f"{i} " + "x" * 3000 for i in range(1500)]
    assert read(put(tmp_path, "t.json", json.dumps([{"text": text} for text in texts]))) == texts
    long = "y" * 3_000_000
    assert read(put(tmp_path, "t.json", json.dumps([{"text": long}, {"text": "b"}]))) == [long, "b"]


def test_columns_of_sparse_and_nested_records(tmp_path):
    records = [{"id": 7, "meta": {"a": 1}}, {"id": 8, "text": "a river", "tags": ["x"]}, {"id": 9, "label": "b"}]
    reading = inspect_file(open_source(str(put(tmp_path, "t.jsonl", "\n".join(map(json.dumps, records))))))
    assert reading.names == ("id", "meta", "text", "tags", "label")
    assert reading.guessed_columns() == ("text", "label")
    nested = [{"id": 7, "meta": {"text": "a"}}, {"id": 8, "meta": {"text": "b"}}]
    reading = inspect_file(open_source(str(put(tmp_path, "t.jsonl", "\n".join(map(json.dumps, nested))))))
    assert [column.name for column in reading.columns if column.texts] == []
    only = inspect_file(open_source(str(put(tmp_path, "t.jsonl", '{"meta": {"text": "a"}}'))))
    with pytest.raises(InputError, match="no column holds texts; there are meta"):
        only.guessed_columns()


def test_the_longest_texts_are_guessed_where_no_name_is_usual(tmp_path):
    content = "key,kommentar,n\na1,Der Fluß ist breit.,1\nb2,Die Bank schloß früh.,2\n"
    reading = inspect_file(open_source(str(put(tmp_path, "t.csv", content))))
    assert reading.guessed_columns() == ("kommentar", None)


def test_parquet_columns_of_every_type(tmp_path):
    columns = {
        "text": pa.array(["a", "b"], pa.large_string()),
        "list": pa.array([["x", "y"], []]),
        "struct": pa.array([{"en": "a"}, {"en": "b"}]),
        "dict": pa.array(["p", "q"]).dictionary_encode(),
        "view": pa.array(["v", "w"], pa.string_view()),
        "int": pa.array([1, None]),
        "bool": pa.array([True, False]),
        "null": pa.array([None, None]),
        "raw": pa.array([b"a", b"b"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    file = str(tmp_path / "t.parquet")
    reading = inspect_file(open_source(file))
    assert reading.names == tuple(columns)
    assert [c.name for c in reading.columns if c.texts] == ["text", "dict", "view"]
    assert {c.name for c in reading.columns if not c.usable} == {"list", "struct", "raw"}
    for name, wanted in (("text", ["a", "b"]), ("dict", ["p", "q"]), ("view", ["v", "w"]), ("null", ["", ""])):
        assert read(file, columns=(name,)) == wanted
    assert read(file, columns=("int",), numbers=True, optional=("int",)) == ["1", ""]
    assert read(file, columns=("bool",), numbers=True) == ["true", "false"]
    assert read(file, columns=("list",), lists=("list",)) == ["x", ""]
    for name, shown in (("list", "list<"), ("struct", "struct<"), ("raw", "binary"), ("int", "int64")):
        with pytest.raises(InputError, match=f"column '{name}' of t.parquet holds {shown}.*; expected texts"):
            read(file, columns=(name,))


def test_optional_columns_are_looked_up_in_each_record(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": "1"}\n{"a": "2", "b": null}\n{"a": "3", "b": "x"}\n')
    (tmp_path / "t.csv").write_text("a\n1\n")
    pq.write_table(pa.table({"a": ["1"]}), tmp_path / "t.parquet")
    wanted = {"t.jsonl": [("1", ""), ("2", ""), ("3", "x")], "t.csv": [("1", "")], "t.parquet": [("1", "")]}
    for name, rows in wanted.items():
        assert list(read_records(open_source(str(tmp_path / name), ("a", "b"), optional=("b",)))) == rows


def test_standard_input_is_looked_at_too(monkeypatch):
    for content, kind in (
        ("text;n\ncafé;1\n".encode("cp1252"), "csv"),
        ('[{"text": "café"}]'.encode("utf-16"), "json"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert read("-", kind=kind) == ["café"]
