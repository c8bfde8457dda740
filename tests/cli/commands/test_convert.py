from __future__ import annotations

import errno
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest

from llm2vec_core.cli import main
from llm2vec_core.cli.commands import convert
from llm2vec_core.encoder import LLM2Vec
from tests.close import assert_close


def test_the_saved_folder_is_the_encoder(tmp_path, run):
    out = tmp_path / "deep" / "encoder"
    code, printed, talk = run("convert", "mini:bidirectional", "--pooling-mode", "last_token", "--out", str(out))
    assert (code, printed) == (0, f"{out}\n")
    before, after = [line for line in talk.splitlines() if line.startswith("prefix test")]
    assert "an earlier one moved by 0, and 0 of 4 layers let the first token see it: causal" in before
    assert "4 of 4 layers let the first token see it: bidirectional" in after
    assert [folder.name for folder in out.parent.iterdir()] == ["encoder"]
    loaded = LLM2Vec.from_pretrained(out)
    direct = LLM2Vec.from_pretrained("assets/models/llm2vec-mini", pooling_mode="last_token")
    assert np.array_equal(loaded.encode(["A river rose."]), direct.encode(["A river rose."]))


def test_causal_stays_causal(tmp_path, run):
    assert run("convert", "mini", "--causal", "--out", str(tmp_path / "e"))[0] == 0
    assert LLM2Vec.from_pretrained(tmp_path / "e").prefix_test().is_causal


def test_prompts_length_and_width_are_stored(tmp_path, run):
    flags = ["--prompt", "query=Find: ", "--prompt", "document=", "--default-prompt-name", "query"]
    flags += ["--normalize", "--truncate-dim", "8"]
    assert run("convert", "mini:bidirectional", *flags, "--out", str(tmp_path / "e"))[0] == 0
    loaded = LLM2Vec.from_pretrained(tmp_path / "e")
    assert loaded.settings.prompts == {"query": "Find: ", "document": ""}
    plain = LLM2Vec.from_preset("mini:bidirectional")
    expected = plain.encode("A river.", prompt="Find: ", normalize=True)[:8]
    assert_close(loaded.encode("A river."), expected)
    # The default prompt may be one that the folder has.
    other = LLM2Vec.from_pretrained(tmp_path / "e", default_prompt_name="document")
    np.testing.assert_array_equal(other.encode("A river."), loaded.encode("A river.", prompt=""))
    code, _, talk = run("convert", str(tmp_path / "e"), "--default-prompt-name", "none", "--out", str(tmp_path / "f"))
    assert (code, "default_prompt_name 'none' is no prompt; choose one of query, document" in talk) == (2, True)


def test_what_is_there_is_not_lost(tmp_path, run):
    out = tmp_path / "e"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    command = ("convert", "mini:bidirectional", "--out", str(out), "--quiet")
    assert run(*command)[2] == (
        "error: the folder 'e' is not empty; choose another, or replace the model in it by --force\n"
    )
    code, _, talk = run(*command, "--force")
    assert (code, "does not hold a model" in talk) == (2, True)
    assert (out / "diary.txt").read_text() == "mine"
    (out / "diary.txt").rename(tmp_path / "diary.txt")
    assert run(*command) == (0, f"{out}\n", "")
    (out / "old.safetensors").write_text("of the model before")
    assert run(*command, "--force")[0] == 0
    assert not (out / "old.safetensors").exists()
    assert run("convert", "mini", "--out", str(tmp_path / "diary.txt"))[2].startswith("error: 'diary.txt' is a file")
    code, _, talk = run(*command[:2], "--out", str(tmp_path / "diary.txt" / "e"))
    assert (code, "the folder 'e' cannot be made in 'diary.txt'" in talk) == (2, True)


def full_disk(encoder, folder):
    folder.mkdir()
    (folder / "config.json").write_text("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_model_whole(tmp_path, run, monkeypatch):
    out = tmp_path / "e"
    out.mkdir()
    (out / "config.json").write_text("old")
    monkeypatch.setitem(convert.SAVERS, "llm2vec", full_disk)
    code, _, talk = run("convert", "mini:bidirectional", "--out", str(out), "--force")
    assert code == 2
    assert "error: the disk is full, so 'e' was not written" in talk
    assert (out / "config.json").read_text() == "old"
    assert [folder.name for folder in tmp_path.iterdir()] == ["e"]


def test_an_export_says_how_exact_it_is(tmp_path, run, monkeypatch, caplog):
    def export(encoder, folder):
        folder.mkdir()
        (folder / "modules.json").write_text("[]")
        logging.getLogger("llm2vec_core.export.folder").warning("blank texts differ")  # as the export does
        return SimpleNamespace(largest_difference=2.5e-7, notes=("blank texts differ",))

    monkeypatch.setattr(LLM2Vec, "export_sentence_transformers", export, raising=False)
    out = tmp_path / "st"
    command = ("convert", "mini:bidirectional", "--format", "sentence-transformers", "--out", str(out))
    code, printed, talk = run(*command)
    assert (code, printed) == (0, f"{out}\n")
    assert talk.splitlines()[-1] == "sentence-transformers gives the same vectors within 2e-07"
    assert "blank texts differ" not in talk  # logged, and not told twice
    assert caplog.messages == ["blank texts differ"]
    assert (out / "modules.json").is_file()
    assert run(*command, "--force")[0] == 0


def test_every_format_is_offered(capsys):
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    assert "{llm2vec,sentence-transformers}" in capsys.readouterr().out
