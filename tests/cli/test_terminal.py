from __future__ import annotations

import json

import pytest

from llm2vec_core.cli import main
from llm2vec_core.cli.terminal import printable, printable_results, tell

# Clears the screen, sets the title, an 8-bit escape, a reversed line, a backspace over what stood there.
NASTY = "safe\x1b[2J\x1b]0;title\x07\x9b31m\u202eabc\x08\x7f\rover"
FORBIDDEN = set("\x1b\x07\x9b\u202e\x08\x7f\r")


def test_letters_of_all_scripts_stay():
    text = "naïve 深い川 नमस्ते 👨‍👩‍👧 שלום\tand\nlines"
    assert printable(text) == text


def test_in_json_it_is_the_same_string():
    written = json.dumps({"text": NASTY}, ensure_ascii=False)
    assert not FORBIDDEN & set(printable(written))
    assert json.loads(printable(written)) == {"text": NASTY}


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_search_prints_texts_of_others(flags, tmp_path, capsys):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in (NASTY, "A boat on the water.")))
    assert main(["search", str(texts), "--query", f"boat {NASTY}", "--top-k", "2", *flags]) == 0
    printed = capsys.readouterr().out
    assert "over" in printed and not FORBIDDEN & set(printed)
    if flags:
        assert NASTY in [json.loads(line)["text"] for line in printed.splitlines()]


def test_similarity_prints_texts_of_others(capsys):
    assert main(["similarity", NASTY, "A boat", "--both"]) == 0
    assert not FORBIDDEN & set(capsys.readouterr().out)


@pytest.mark.parametrize("flags", [[], ["--debug"]])
def test_errors_and_what_is_said(flags, capsys):
    assert main(["info", f"no/such/{NASTY}", *flags]) == 2
    printed = capsys.readouterr().err
    assert "safe" in printed and not FORBIDDEN & set(printed)
    tell(NASTY)
    assert not FORBIDDEN & set(capsys.readouterr().err)


def test_standard_output_is_given_back(capsys):
    with printable_results():
        print(NASTY)
    print("\x1b[0m")
    inside, outside = capsys.readouterr().out.rstrip("\n").split("\n")
    assert not FORBIDDEN & set(inside)
    assert outside == "\x1b[0m"
