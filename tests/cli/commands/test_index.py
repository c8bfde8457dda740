"""From a file of records to a dataset that is indexed and filtered, by the commands that --help shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from llm2vec_core.corpus import lance_search
from llm2vec_core.search import SearchIndex
from tests.cli.conftest import PASSAGES

PLAIN = ("--model", "mini:bidirectional", "--quiet")
QUERY = "Why do rivers flood?"
ENCODE = ("encode", "records.jsonl", "--column", "body", "--keep", "topic", "--keep", "year", "--out", "c.lance")


def hits_of(printed: str) -> list[dict]:
    return [json.loads(line) for line in printed.splitlines()]


def test_shards_are_joined_and_searched_with_a_filter(folder, run, bundled, passage_embeddings):
    for shard in ("2/2", "1/2"):
        assert run(*ENCODE, "--shard", shard, *PLAIN)[0] == 0
    code, _, talk = run("search", "c.lance", "--query", QUERY, *PLAIN)
    assert (code, talk) == (2, "error: the shards of 'c.lance' are not joined yet: index build c.lance\n")
    code, printed, talk = run("index", "build", "c.lance")
    assert (code, printed) == (0, f"{len(PASSAGES)} rows in c.lance\n")
    assert talk == "no index below 100,000 rows: a search compares every row and is exact\n"
    hits = SearchIndex(passage_embeddings).search(bundled.encode(QUERY), len(PASSAGES))
    wanted = [hit for hit in hits if hit.index % 2 == 1 and hit.index >= 10][:3]
    where = "topic = 'stars' AND CAST(year AS INT) >= 2010"
    code, printed, _ = run("search", "c.lance", "--query", QUERY, "--filter", where, "--top-k", "3", "--json", *PLAIN)
    found = hits_of(printed)
    assert code == 0
    assert [hit["row"] for hit in found] == [hit.index for hit in wanted]
    np.testing.assert_allclose([hit["cosine"] for hit in found], [hit.cosine for hit in wanted], atol=1e-5)
    assert found[0] == {
        **found[0],
        "text": PASSAGES[found[0]["row"]],
        "topic": "stars",
        "year": str(2000 + found[0]["row"]),
    }


def test_recall_is_told_when_an_index_is_built(folder, run, monkeypatch):
    random = np.random.default_rng(0)
    monkeypatch.setattr(lance_search, "EXACT_BELOW", 1000)
    rows = {"row": range(3000), "embedding": list(random.standard_normal((3000, 8)).astype(np.float32))}
    schema = pa.schema([("row", pa.int64()), ("embedding", pa.list_(pa.float32(), 8))])
    table = pa.table(rows, schema=schema)
    lance.write_dataset(table, "big.lance")
    code, printed, _ = run("index", "build", "big.lance", "--quiet")
    assert code == 0
    first, recall = printed.splitlines()
    assert first == "3,000 rows in big.lance"
    found = re.fullmatch(
        r"recall@10 ([\d.]+) against exact search \(100 rows .*\), reading 1 of 1 cells .* comparing (\d+) candidates a hit",
        recall,
    )
    assert float(found[1]) >= 0.95
    # One byte holds all eight numbers here: ten candidates a hit would find fewer.
    assert int(found[2]) > 10


def test_a_corpus_of_another_model_is_refused(folder, run):
    assert run(*ENCODE, *PLAIN)[0] == 0
    code, printed, talk = run("search", "c.lance", "--query", QUERY, "--model", "mini:causal", "--quiet")
    assert (code, printed) == (2, "")
    assert talk.startswith(
        "error: 'c.lance' was built on other embeddings than the query's encoder makes: bidirectional was"
    )
    # What does not change the vectors is no other model.
    assert run("search", "c.lance", "--query", QUERY, "--device", "cpu", "--batch-size", "3", *PLAIN)[0] == 0
    assert run("search", "c.lance", "--query", QUERY, "--instruction", "Find a passage:", *PLAIN)[0] == 0


def test_an_instruction_of_the_corpus_is_its_own(folder, run):
    assert run(*ENCODE, "--instruction", "A passage:", "--normalize", *PLAIN)[0] == 0
    assert run("search", "c.lance", "--query", QUERY, *PLAIN)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("search", "none.lance", "--query", "a"),
            "'none.lance' is no Lance dataset; encode --out none.lance makes one",
        ),
        (("search", "texts.txt", "--query", "a", "--filter", "row < 3"), "--filter needs a dataset with columns"),
        (("search", "c.lance", "--query", "a", "--filter", "subject = 1"), "the filter 'subject = 1' cannot be used"),
        (("search", "c.lance", "--query", "a", "--texts", "texts.txt"), "--texts is for a .npy or a .parquet"),
        (("index", "build", "none.lance"), "'none.lance' is no Lance dataset"),
        (("index", "build", "texts.txt"), "'texts.txt' is no Lance dataset"),
        (("encode", "texts.txt", "--keep", "topic", "--out", "n.lance"), "texts.txt has no column 'topic'"),
        (
            ("encode", "records.jsonl", "--column", "body", "--keep", "subject", "--out", "n.lance"),
            "no field 'subject'",
        ),
        (
            ("encode", "records.jsonl", "--column", "body", "--keep", "body", "--out", "n.lance"),
            "--keep body is the text",
        ),
        (("encode", "records.jsonl", "--column", "year", "--out", "n.lance"), "records.jsonl, line 1: expected a text"),
    ],
)
def test_wrong_input(folder, run, arguments, message):
    assert run(*ENCODE, *PLAIN)[0] == 0
    code, printed, talk = run(*arguments, *(() if arguments[0] == "index" else PLAIN))
    assert (code, printed) == (2, "")
    assert message in talk
    assert not Path("n.lance").exists()
