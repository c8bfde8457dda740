from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus.source import Mended
from llm2vec_core.errors import InputError
from llm2vec_core.training.data import HubDataset
from llm2vec_core.training.pairs import Cleaning, Pair, clean_pairs, first_of_each_task, read_pairs

ROWS = [
    {"query": "Why do rivers flood?", "positive": "Rain.", "negative": "Banks lend."},
    {"query": "What burns in a star?", "positive": "Hydrogen.", "negative": ""},
]


def jsonl(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_the_published_layout_one_file_a_task(tmp_path):
    (tmp_path / "eli5.jsonl").write_text(jsonl(ROWS))
    (tmp_path / "quora.jsonl").write_text(jsonl(ROWS[:1]))
    ask = {"eli5": "Retrieve an answer:", "quora": "Retrieve the same question:"}
    pairs = list(read_pairs(tmp_path, instructions=ask, symmetric_tasks=["quora"]))
    assert [(p.task, p.instruction, p.passage_instruction) for p in pairs] == [
        ("eli5", ask["eli5"], ""),
        ("eli5", ask["eli5"], ""),
        ("quora", ask["quora"], ask["quora"]),
    ]
    assert pairs[0].negative == "Banks lend."


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv", "tsv"])
def test_each_kind_of_file_brings_its_own_instructions(tmp_path, kind):
    rows = [row | {"instruction": "Answer:", "task": "qa", "label": 1} for row in ROWS]
    rows.append(rows[0] | {"query": "no pair", "label": 0})
    file = tmp_path / f"pairs.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "jsonl":
        file.write_text(jsonl(rows))
    else:
        mark = "," if kind == "csv" else "\t"
        file.write_text("\n".join(mark.join(map(str, line)) for line in [rows[0].keys(), *(r.values() for r in rows)]))
    assert list(read_pairs(file)) == [Pair(r["query"], r["positive"], r["negative"], "Answer:", "", "qa") for r in ROWS]


def test_a_data_set_through_the_datasets_library(tmp_path):
    (tmp_path / "train.jsonl").write_text(jsonl(ROWS))
    pairs = list(read_pairs(HubDataset(str(tmp_path))))
    assert [p.query for p in pairs] == [row["query"] for row in ROWS]
    with pytest.raises(InputError, match="has no column 'query'"):
        (tmp_path / "train.jsonl").write_text('{"text": "a"}\n')
        list(read_pairs(HubDataset(str(tmp_path))))


def test_a_data_set_that_is_none(tmp_path):
    with pytest.raises(InputError, match="'nowhere' cannot be loaded"):
        list(read_pairs(HubDataset(str(tmp_path / "nowhere"))))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"query": "q"}\n', "no field 'positive'"),
        ("a.txt", "one line\n", "lines and no columns"),
        ("a.jsonl", '{"query": "q", "positive": "p", "label": 7}\n', r"a, row 1: the label .7. is neither 1"),
        ("a.csv", "query,positive\n", None),
        ("a.jsonl", "", None),
    ],
)
def test_wrong_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    if message is None:
        assert list(read_pairs(tmp_path / name)) == []
        return
    with pytest.raises(InputError, match=message):
        list(read_pairs(tmp_path / name))


def test_no_task_drowns_the_others():
    pairs = [Pair(str(i), "p", task="big" if i % 4 else "small") for i in range(12)]
    kept = list(first_of_each_task(pairs, 3))
    assert [pair.query for pair in kept] == ["0", "1", "2", "3", "4", "8"]
    assert list(first_of_each_task(pairs, None)) == pairs
    of_small = [pair.query for pair in first_of_each_task(pairs, 1, {"small": 2})]
    assert of_small == ["0", "1", "4"]
    assert len(list(first_of_each_task(pairs, None, {"big": 2}))) == 2 + 3


def test_cleaning_counts_what_it_takes_away():
    report = Cleaning()
    pairs = [
        Pair("a", "b", "c"), Pair("a", "b", "c"), Pair(" a", "b ", "c"), Pair("a", "b", "d"),
        Pair("x", "y", " y"), Pair("x", "x", "z"), Pair("", "y"), Pair("q", "p", "q"),
    ]  # fmt: skip
    assert list(clean_pairs(pairs, report)) == [
        Pair("a", "b", "c"),
        Pair("a", "b", "d"),
        Pair("x", "y"),
        Pair("q", "p"),
    ]
    assert report == Cleaning(blank=1, same=1, duplicates=2, false_negatives=2)


def test_optional_fields_are_looked_up_in_each_record(tmp_path):
    rows = [
        {"query": "a", "positive": "b", "negative": "c"},
        {"query": "d", "positive": "e"},
        {"query": "f", "positive": "g", "label": 0},
        {"query": "h", "positive": "i", "label": None, "negative": None, "task": "t"},
        {"query": "j", "positive": "k", "score": False},
    ]
    (tmp_path / "p.jsonl").write_text(jsonl(rows))
    pq.write_table(pa.Table.from_pylist([{**dict.fromkeys(("negative", "label", "task")), **r} for r in rows[:4]]),
                   tmp_path / "p.parquet")  # fmt: skip
    wanted = [Pair("a", "b", "c", task="p"), Pair("d", "e", task="p"), Pair("h", "i", task="t")]
    for kind in ("jsonl", "parquet"):
        assert list(read_pairs(tmp_path / f"p.{kind}")) == wanted
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text(jsonl(rows[1:4]))
    assert [p.query for p in read_pairs(HubDataset(str(folder)))] == ["d", "h"]


def test_of_lists_the_first_is_taken_and_the_rest_is_told(tmp_path):
    rows = [
        {"query": "a", "positive": ["b", "c"], "negative": ["x", "y"]},
        {"query": "d", "positive": "e", "negatives": ["z"]},
        {"query": "f", "positive": "g", "negative": []},
        {"query": "h", "positive": "i", "negative_1": "w"},
    ]
    (tmp_path / "p.jsonl").write_text(jsonl(rows))
    mended = Mended()
    found = list(read_pairs(tmp_path / "p.jsonl", mended=mended))
    assert [(p.positive, p.negative) for p in found] == [("b", "x"), ("e", "z"), ("g", ""), ("i", "w")]
    assert mended.notes == [
        f"p.jsonl: of the lists in '{name}' the first text is read, the others are left out"
        for name in ("positive", "negative")
    ]
    pq.write_table(pa.table({"query": ["a"], "positive": ["b"], "negative": [["x", "y"]]}), tmp_path / "p.parquet")
    assert [p.negative for p in read_pairs(tmp_path / "p.parquet")] == ["x"]
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text(jsonl(rows[:1]))
    assert [p.negative for p in read_pairs(HubDataset(str(folder)))] == ["x"]


@pytest.mark.parametrize("field", [{"label": 0.73}, {"score": 0.3}, {"score": "4.2"}, {"label": "entailment"}])
def test_graded_pairs_need_a_threshold(tmp_path, field):
    (tmp_path / "p.jsonl").write_text(
        jsonl([{"query": "a", "positive": "b"}, {"query": "c", "positive": "d", **field}])
    )
    (name,) = field
    with pytest.raises(InputError, match=f"p, row 2: the {name} .* above a threshold of yours"):
        list(read_pairs(tmp_path / "p.jsonl"))


@pytest.mark.parametrize("field", ["labels", "similarity", "is_duplicate"])
def test_other_names_of_a_label(tmp_path, field):
    rows = [{"query": f"q{i}", "positive": f"p{i}", field: value} for i, value in enumerate([0, 1, "0", True, None])]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [pair.query for pair in read_pairs(tmp_path / "a.jsonl")] == ["q1", "q3", "q4"]


def test_a_list_that_a_table_program_wrote_into_a_cell(tmp_path):
    rows = {"query": ["q", "r", "s"], "positive": [["p", "o"], ["it's"], ["[1] a"]], "negative": [["n"], [], [""]]}
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    pairs = list(read_pairs(tmp_path / "a.csv"))
    assert [pair.positive for pair in pairs] == ["p", "it's", "[1] a"]
    assert [pair.negative for pair in pairs] == ["n", "", ""]


def test_an_encoding_can_be_named(tmp_path):
    (tmp_path / "a.csv").write_bytes("query,positive\nгде река,река здесь\n".encode("koi8-r"))
    with pytest.raises(InputError, match="give its encoding, such as cp1251"):
        list(read_pairs(tmp_path / "a.csv"))
    assert [pair.query for pair in read_pairs(tmp_path / "a.csv", encoding="koi8-r")] == ["где река"]
