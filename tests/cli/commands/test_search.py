from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.search import SearchIndex
from tests.cli.conftest import PASSAGES

PLAIN = ("--model", "mini:bidirectional", "--quiet")
QUERY = "Why do rivers flood?"


@pytest.fixture
def hits(bundled, passage_embeddings):
    return SearchIndex(passage_embeddings).search(bundled.encode(QUERY), 3)


@pytest.fixture
def encoded(folder, run):
    for name in ("v.parquet", "v.npy"):
        assert run("encode", "texts.txt", "--out", name, *PLAIN)[0] == 0


def test_a_text_file(folder, run, hits):
    code, printed, talk = run("search", "texts.txt", "--query", QUERY, "--top-k", "3", *PLAIN)
    assert (code, talk) == (0, "")
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for hit, line in zip(hits, lines, strict=True):
        assert float(line.split()[1]) == pytest.approx(hit.cosine, abs=1e-4)
        assert line.endswith(PASSAGES[hit.index])


@pytest.mark.parametrize("corpus", [("v.parquet",), ("v.npy", "--texts", "texts.txt"), ("-",)], ids=lambda c: c[0])
def test_every_kind_of_corpus_gives_the_same_hits(encoded, run, feed, hits, corpus):
    feed(Path("texts.txt").read_bytes())
    code, printed, _ = run("search", *corpus, "--query", QUERY, "--top-k", "3", "--json", *PLAIN)
    found = [json.loads(line) for line in printed.splitlines()]
    assert code == 0
    assert [(row["rank"], row["row"]) for row in found] == [(hit.rank, hit.index) for hit in hits]
    assert [row["text"] for row in found] == [PASSAGES[hit.index] for hit in hits]
    np.testing.assert_allclose([row["cosine"] for row in found], [hit.cosine for hit in hits], atol=1e-5)


def test_embeddings_alone_give_rows(encoded, run, hits):
    printed = run("search", "v.npy", "--query", QUERY, "--top-k", "1", *PLAIN)[1]
    assert printed.split()[2:] == ["row", str(hits[0].index)]


def test_stored_embeddings_are_not_made_anew(encoded, run, monkeypatch):
    from llm2vec_core.encoder import LLM2Vec

    asked, original = [], LLM2Vec.encode

    def watched(self, texts, *arguments, **options):
        asked.append(list(texts))
        return original(self, texts, *arguments, **options)

    monkeypatch.setattr(LLM2Vec, "encode", watched)
    assert run("search", "v.parquet", "--query", QUERY, *PLAIN)[0] == 0
    assert asked == [[QUERY]]


def test_a_corpus_of_another_model_is_noticed(encoded, run):
    code, _, talk = run("search", "v.parquet", "--query", QUERY, "--model", "mini:causal", "--quiet")
    assert code == 0
    assert talk.startswith("warning: the corpus was encoded with another model")
    assert "bidirectional was True and is False" in talk
    assert run("search", "v.parquet", "--query", QUERY, *PLAIN)[2] == ""


def test_several_queries(folder, run):
    command = ("search", "texts.txt", "--queries", "queries.txt", "--query", "ships", "--top-k", "1", *PLAIN)
    lines = run(*command)[1].splitlines()
    assert lines[::2] == ["query: ships", "query: Why do rivers flood?", "query: What do stars burn?"]


def test_the_instruction_is_for_queries(folder, run, bundled, passage_embeddings):
    command = ("search", "texts.txt", "--query", QUERY, "--instruction", "Find a passage:", "--top-k", "1", "--json")
    (wanted,) = SearchIndex(passage_embeddings).search(bundled.encode(QUERY, "Find a passage:"), 1)
    found = json.loads(run(*command, *PLAIN)[1])
    assert found["row"] == wanted.index
    assert found["cosine"] == pytest.approx(wanted.cosine, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("texts.txt",), "no query: use --query TEXT or --queries FILE"),
        (("none.txt", "--query", "a"), "there is no file 'none.txt'"),
        (("texts.txt", "--query", "a", "--top-k", "0"), "--top-k is 0; it must be at least 1"),
        (("narrow.npy", "--query", "a"), "the corpus has vectors of 3 numbers, but llm2vec-mini makes 384"),
        (("narrow.npy", "--texts", "queries.txt", "--query", "a"), "2 texts do not match 4 embeddings"),
        (("empty.txt", "--query", "a"), "'empty.txt' holds no text to search in"),
    ],
)
def test_wrong_input(folder, run, arguments, message):
    np.save("narrow.npy", np.ones((4, 3), dtype=np.float32))
    Path("empty.txt").write_text("")
    code, printed, talk = run("search", *arguments, *PLAIN)
    assert (code, printed) == (2, "")
    assert talk.startswith(f"error: {message}")


@pytest.mark.parametrize("name", ["v.parquet", "v.npy"])
def test_a_folder_of_shards_is_searched_as_one_file(folder, run, name):
    for out, shards in (("whole" + Path(name).suffix, [()]), (name, [("--shard", "1/2"), ("--shard", "2/2")])):
        for shard in shards:
            assert run("encode", "texts.txt", "--out", out, *shard, *PLAIN)[0] == 0
    answers = [run("search", out, "--query", QUERY, "--json", *PLAIN)[1] for out in ("whole" + Path(name).suffix, name)]
    assert answers[0] == answers[1] != ""
    next(Path(name).glob("shard-00001-*")).unlink()
    code, _, talk = run("search", name, "--query", QUERY, *PLAIN)
    assert (code, talk) == (2, f"error: {name!r} lacks 1 of 2 shards: encode --shard 1/2\n")


def test_queries_and_documents_have_their_stored_prompts(folder, run):
    flags = ["--query", "Why do rivers flood?", "--top-k", "1", "--json", "--model", "mini"]
    prompts = ["--prompt", "query=Answer: ", "--prompt", "document=Text: "]
    found = json.loads(run("search", "texts.txt", *flags, *prompts)[1])
    encoder = LLM2Vec.from_preset("mini")
    texts = (folder / "texts.txt").read_text().split("\n")
    cosines = encoder.similarity(
        encoder.encode("Why do rivers flood?", prompt="Answer: "), encoder.encode(texts, prompt="Text: ")
    )[0]
    assert found["row"] == int(cosines.argmax())
    assert found["cosine"] == pytest.approx(float(cosines.max()), abs=2e-6)
