from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus.outputs import load_embeddings
from llm2vec_core.corpus.parts import PartWriter
from llm2vec_core.encoder import LLM2Vec
from tests.children import kill_when_it_says
from tests.cli.conftest import PASSAGES
from tests.close import assert_close

PLAIN = ("--model", "mini:bidirectional")


def test_parquet_holds_what_encode_gives(folder, run, passage_embeddings):
    code, printed, talk = run("encode", "texts.txt", "--out", "v.parquet", "--chunk-rows", "16", *PLAIN)
    assert (code, printed) == (0, "")
    assert talk.splitlines()[-1] == f"{len(PASSAGES)} rows: v.parquet"
    embeddings, texts = load_embeddings(folder / "v.parquet")
    assert texts == PASSAGES
    np.testing.assert_allclose(embeddings, passage_embeddings, atol=1e-5)
    assert pq.read_table("v.parquet")["row"].to_pylist() == list(range(len(PASSAGES)))


def test_several_inputs_and_standard_input(folder, run, feed, passage_embeddings):
    feed("\n".join(PASSAGES[:3]).encode())
    pq.write_table(pa.table({"body": PASSAGES[3:6]}), "more.parquet")
    command = ("encode", "-", "more.parquet", "--column", "body", "--out", "v.jsonl", "--quiet", *PLAIN)
    assert run(*command) == (0, "", "")
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    assert [(row["row"], row["text"]) for row in rows] == list(enumerate(PASSAGES[:6]))
    np.testing.assert_allclose([row["embedding"] for row in rows], passage_embeddings[:6], atol=1e-5)


def test_options_reach_the_encoder(folder, run, bundled):
    options = (
        "--causal",
        "--pooling-mode",
        "last_token",
        "--max-length",
        "20",
        "--instruction",
        "Topic:",
        "--normalize",
    )
    assert (
        run("encode", "records.jsonl", "--column", "body", "--out", "v.npy", *PLAIN, *options, "--batch-size", "3")[0]
        == 0
    )
    causal = LLM2Vec(
        bundled.causal_model, bundled.tokenizer, bidirectional=False, pooling_mode="last_token", max_length=20
    )
    wanted = causal.encode(PASSAGES, "Topic:", normalize=True)
    np.testing.assert_allclose(np.load("v.npy"), wanted, atol=1e-5)


def test_no_text(folder, run):
    assert run("encode", "texts.txt", "--out", "v.parquet", "--no-text", *PLAIN)[0] == 0
    assert pq.read_schema("v.parquet").names == ["row", "embedding"]


def test_invalid_lines_are_reported_or_refused(folder, run):
    Path("bad.txt").write_bytes(b"fine\nna\xefve\n\n\xfe\xfd\n")
    command = ("encode", "bad.txt", "--out", "v.parquet", *PLAIN)
    code, _, talk = run(*command, "--strict")
    assert (code, talk.splitlines()[-1][:54]) == (2, "error: bad.txt, line 2: byte 3 (0xef) is no valid UTF-8;"[:54])
    assert not Path("v.parquet.parts").exists()
    code, _, talk = run(*command, "--quiet")
    assert code == 0
    assert talk.startswith("warning: 2 lines were no valid text and were mended")
    assert "bad.txt, line 2; bad.txt, line 4. --strict" in talk
    assert pq.read_table("v.parquet")["text"].to_pylist() == ["fine", "na\ufffdve", "", "\ufffd\ufffd"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.txt", "--out", "v.npy"), "there is no file 'none.txt'"),
        (("texts.txt", "--out", "v.xlsx"), "'v.xlsx': an output ends in .parquet, .npy, .jsonl, .csv"),
        (("-", "-", "--out", "v.npy"), "standard input (-) can be read only once"),
        (("pairs.jsonl", "--out", "pairs.jsonl", "--force"), "'pairs.jsonl' is input and output"),
        (("pairs.jsonl", "--out", "v.npy"), "pairs.jsonl, line 1: no field 'text' (--column names another)"),
        (("texts.txt", "--out", "texts.txt/v.npy"), "'v.npy' cannot be written: Not a directory"),
        (("texts.txt", "--out", "v.npy", "--chunk-rows", "0"), "chunk_rows 0 must be at least 1"),
        (("texts.txt", "--out", "v.npy", "--input-format", "xml"), "'texts.txt' is of no known kind"),
    ],
)
def test_wrong_input(folder, run, arguments, message):
    code, printed, talk = run("encode", *arguments, *PLAIN)
    assert (code, printed) == (2, "")
    assert f"error: {message}" in talk


def test_wrong_files_show_before_the_model_loads(folder, run, monkeypatch):
    monkeypatch.setattr(LLM2Vec, "from_pretrained", None)
    assert run("encode", "pairs.jsonl", "--out", "v.npy")[0] == 2


def test_a_finished_output_is_kept(folder, run):
    assert run("encode", "texts.txt", "--out", "v.npy", *PLAIN)[0] == 0
    Path("two.txt").write_text("a\nb\n")
    code, _, talk = run("encode", "two.txt", "--out", "v.npy", *PLAIN)
    assert (code, talk) == (2, "error: 'v.npy' exists and is whole; --force replaces it\n")
    assert run("encode", "two.txt", "--out", "v.npy", "--force", *PLAIN)[0] == 0
    assert np.load("v.npy").shape == (2, 384)


def test_ctrl_c_says_how_to_go_on(folder, run, monkeypatch):
    original = PartWriter.__call__

    def stopped(self, part, embeddings):
        if part.number == 2:
            raise KeyboardInterrupt
        original(self, part, embeddings)

    command = ("encode", "texts.txt", "--out", "v.npy", "--chunk-rows", "8", *PLAIN)
    with monkeypatch.context() as patch:
        patch.setattr(PartWriter, "__call__", stopped)
        code, _, talk = run(*command)
    assert code == 130
    assert talk.splitlines()[-2:] == ["what is done is kept: the same command goes on from there", "stopped"]
    code, _, talk = run(*command, "--max-length", "9")
    assert (code, "holds parts of another job: max_length was None and is 9" in talk) == (2, True)
    assert talk.splitlines()[-1].endswith("--restart to throw its parts away")
    code, _, talk = run(*command)
    assert (code, talk.splitlines()[-1]) == (0, f"{len(PASSAGES)} rows, 16 of them by an earlier run: v.npy")
    continued = Path("v.npy").read_bytes()
    assert run(*command, "--force")[0] == 0
    assert Path("v.npy").read_bytes() == continued


KILLED_AT_PART_3 = """
from llm2vec_core.cli import main
from llm2vec_core.corpus.parts import PartWriter

def write_part(self, part, embeddings, original=PartWriter.__call__):
    if part.number == 3:
        may_be_killed()
    original(self, part, embeddings)

PartWriter.__call__ = write_part
main(sys.argv[1:])
"""


@pytest.mark.process
def test_a_killed_process_is_continued(folder, run, passage_embeddings):
    rows, kept = len(PASSAGES), 18
    command = ["encode", "texts.txt", "--out", "v.parquet", "--chunk-rows", "6", *PLAIN]
    kill_when_it_says(KILLED_AT_PART_3, *command)
    parts = Path("v.parquet.parts")
    assert len(list(parts.glob("part-*.parquet"))) == 3
    code, _, talk = run(*command)
    assert (code, talk.splitlines()[-1]) == (0, f"{rows} rows, {kept} of them by an earlier run: v.parquet")
    assert pq.read_table("v.parquet")["row"].to_pylist() == list(range(rows))
    embeddings, texts = load_embeddings(Path("v.parquet"))
    assert texts == PASSAGES
    assert_close(embeddings, passage_embeddings)
    assert not parts.exists()


def test_shards_on_any_machine_are_one_corpus(folder, run, passage_embeddings):
    for shard, device in (("3/3", "cpu"), ("1/3", "cpu:0"), ("2/3", "cpu")):
        command = ("encode", "texts.txt", "--out", "v.parquet", "--shard", shard, "--device", device, *PLAIN)
        code, _, talk = run(*command)
        assert (code, f"shard {shard}: rows " in talk) == (0, True), talk
    embeddings, texts = load_embeddings(folder / "v.parquet")
    assert texts == PASSAGES
    assert_close(embeddings, passage_embeddings)
    code, _, talk = run(*command)
    assert (code, "'shard-00002-of-00003.parquet' exists and is whole" in talk) == (2, True)
    code, _, talk = run("encode", "texts.txt", "--out", "v.parquet", "--shard", "1/3", "--model", "mini:causal")
    assert (code, "shards of another job: bidirectional was True and is False" in talk) == (2, True)


def test_a_shard_of_standard_input_is_refused(folder, run, feed):
    feed(b"a\nb\n")
    code, _, talk = run("encode", "-", "--out", "v.npy", "--shard", "1/2", *PLAIN)
    assert (code, talk) == (
        2,
        "error: --shard reads the corpus from files, not from standard input (-): it must know all rows\n",
    )
    assert not Path("v.npy").exists()


def test_an_encoder_is_made_anew_from_any_folder(folder, bundled, monkeypatch):
    from llm2vec_core.cli import build_parser
    from llm2vec_core.cli.options import EncoderFactory, choose_model
    from llm2vec_core.presets import BUNDLED

    Path("here").symlink_to(BUNDLED.base)
    arguments = build_parser().parse_args(["encode", "texts.txt", "--out", "v.npy", "--model", "here"])
    factory = pickle.loads(pickle.dumps(EncoderFactory(choose_model(arguments), {"normalize": True}).anywhere()))
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    vectors = factory()(["a river"], lambda *_: None)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors, bundled.encode(["a river"], normalize=True), atol=1e-5)


def test_devices_are_not_for_actors(folder, run, monkeypatch):
    monkeypatch.setattr("llm2vec_core.corpus.ray_engine.require_ray", lambda: None)
    code, _, talk = run("encode", "texts.txt", "--out", "v.npy", "--engine", "ray", "--devices", "cpu", "--quiet")
    assert code == 2
    assert talk.startswith("error: --devices is for --engine local; --actors says how many")


def test_the_options_of_another_engine_are_refused(folder, run, monkeypatch):
    for option in (("--actors", "2"), ("--ray-address", "auto")):
        code, _, talk = run("encode", "texts.txt", "--out", "v.npy", *option, "--quiet")
        assert (code, talk) == (2, f"error: {option[0]} is for --engine ray\n")
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, talk = run("encode", "texts.txt", "--out", "v.npy", "--engine", "ray", "--quiet")
    assert (code, talk) == (2, "error: --engine ray needs ray: pip install '.[ray]' in the project's folder\n")
    assert not Path("v.npy.parts").exists()
