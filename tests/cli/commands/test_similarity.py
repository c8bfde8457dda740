from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from llm2vec_core.cli.commands import similarity
from llm2vec_core.evaluation.sts import cosine_of_pairs
from tests.cli.conftest import PAIRS

PLAIN = ("--model", "mini:bidirectional")


@pytest.fixture(scope="session")
def cosines(bundled, bundled_causal):
    firsts, seconds = zip(*PAIRS, strict=True)
    views = {"causal": bundled_causal, "bidirectional": bundled}
    return {name: cosine_of_pairs(view.encode(firsts), view.encode(seconds)) for name, view in views.items()}


def test_two_texts(run, cosines):
    code, printed, talk = run("similarity", *PAIRS[1], *PLAIN)
    assert (code, printed) == (0, f"{cosines['bidirectional'][1]:.4f}\n")
    assert "llm2vec-mini, bidirectional" in talk


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "named.csv", "-"])
def test_files_of_pairs(folder, run, feed, cosines, kind, monkeypatch):
    monkeypatch.setattr(similarity, "PAIRS_AT_ONCE", 2)
    Path("pairs.named.csv").write_text("b,a\n" + "".join(f"{b},{a}\n" for a, b in PAIRS))
    feed(Path("pairs.tsv").read_bytes())
    named = ("--columns", "a", "b") if kind == "named.csv" else ()
    code, printed, _ = run("similarity", kind if kind == "-" else f"pairs.{kind}", *named, *PLAIN)
    assert code == 0
    np.testing.assert_allclose([float(line) for line in printed.splitlines()], cosines["bidirectional"], atol=1e-4)


def test_both_ways_side_by_side(folder, run, cosines):
    code, printed, _ = run("similarity", "pairs.tsv", "--both", *PLAIN)
    header, *lines = printed.splitlines()
    assert (code, header) == (0, " causal  bidirectional  texts")
    for i, line in enumerate(lines):
        causal, bidirectional, texts = re.split(r" {2,}", line.strip(), maxsplit=2)
        assert (causal, bidirectional) == (f"{cosines['causal'][i]:.4f}", f"{cosines['bidirectional'][i]:.4f}")
        assert texts == " | ".join(PAIRS[i])
        assert line.index(texts) == header.index("texts")


def test_json(folder, run, cosines):
    rows = [json.loads(line) for line in run("similarity", "pairs.jsonl", "--json", *PLAIN)[1].splitlines()]
    assert [(row["a"], row["b"]) for row in rows] == PAIRS
    np.testing.assert_allclose([row["cosine"] for row in rows], cosines["bidirectional"], atol=1e-5)
    both = json.loads(run("similarity", *PAIRS[0], "--json", "--both", *PLAIN)[1])
    assert set(both) == {"a", "b", "causal", "bidirectional"}


def test_encoding_options_count(run, bundled):
    printed = run("similarity", *PAIRS[0], "--instruction", "Animal:", *PLAIN)[1]
    first, second = bundled.encode(PAIRS[0], "Animal:")
    assert float(printed) == pytest.approx(float(cosine_of_pairs(first[None], second[None])[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("one",), "there is no file 'one' of pairs; for one pair give two texts"),
        (("a", "b", "c"), "3 texts are not a pair"),
        (("texts.txt",), "'texts.txt' has one text per line; pairs come as .tsv"),
        (("records.jsonl",), "records.jsonl, line 1: no field 'sentence1'"),
        (("pairs.tsv", "--columns", "a", "b"), "pairs.tsv has no column 'a'"),
    ],
)
def test_wrong_input(folder, run, arguments, message):
    code, printed, talk = run("similarity", *arguments, "--quiet", *PLAIN)
    assert (code, printed) == (2, "")
    assert talk.startswith(f"error: {message}")


def test_mended_lines_are_told(run, feed):
    feed(b"caf\xff\tbar\n")
    code, printed, talk = run("similarity", "-", "--quiet", "--json", *PLAIN)
    assert (code, json.loads(printed)["a"]) == (0, "caf\ufffd")
    assert talk.startswith("warning: 1 lines were no valid text")
