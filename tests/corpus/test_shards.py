"""However a corpus is cut, its shards are what one run gives. Oracles: one run, pandas, pyarrow's data sets, cat."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
import pytest

from llm2vec_core.corpus.encoding import CorpusEncoding, ShardEncoding, parts_folder
from llm2vec_core.corpus.outputs import OUTPUTS, has_embeddings, load_embeddings, stored_settings
from llm2vec_core.corpus.shards import MANIFEST, Corpus, Shard, shard_files
from llm2vec_core.errors import InputError
from tests.corpus.test_encoding import TEXTS, Counting, Killed, encode, stop_after

CORPUS = Corpus.survey(TEXTS)


def job(out: Path, shard: str, texts=TEXTS, settings=None, **changes) -> ShardEncoding:
    settings = {"model": "lengths"} if settings is None else settings
    return ShardEncoding(out, Shard.parse(shard), Corpus.survey(texts), settings, **{"chunk_rows": 4, **changes})


def encode_all(out: Path, count: int) -> None:
    # In no order, as schedulers do.
    for number in reversed(range(1, count + 1)):
        job(out, f"{number}/{count}").run(encode, iter(TEXTS))


@pytest.mark.parametrize("count", [1, 2, 7, 25])
def test_the_shards_are_one_run(tmp_path, count):
    whole, out = tmp_path / "whole.parquet", tmp_path / "v.parquet"
    CorpusEncoding(whole, {}).run(encode, TEXTS)
    encode_all(out, count)
    wanted, texts = load_embeddings(whole)
    embeddings, found = load_embeddings(out)
    assert found == texts == TEXTS
    np.testing.assert_allclose(embeddings, wanted, rtol=1e-6)
    # Other readers of a folder find the same table.
    for table in (pd.read_parquet(out), pads.dataset(out).to_table().to_pandas()):
        assert table["row"].tolist() == list(range(25))
        assert table["text"].tolist() == TEXTS
        np.testing.assert_allclose(np.stack(table["embedding"]), wanted, rtol=1e-6)
    assert stored_settings(out) == {"model": "lengths", "texts": True}


@pytest.mark.parametrize("suffix", OUTPUTS)
def test_every_format(tmp_path, suffix):
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"v{suffix}"
    CorpusEncoding(whole, {}).run(encode, TEXTS)
    encode_all(out, 3)
    files = shard_files(out)
    assert sorted(out.iterdir()) == sorted([out / MANIFEST, *files])
    assert has_embeddings(out) == (suffix in (".npy", ".parquet"))
    if suffix == ".npy":
        assert np.array_equal(np.concatenate([np.load(file) for file in files]), np.load(whole))
        assert np.array_equal(load_embeddings(out)[0], np.load(whole))
    if suffix == ".jsonl":
        assert b"".join(file.read_bytes() for file in files) == whole.read_bytes()
    if suffix == ".csv":
        pd.testing.assert_frame_equal(pd.concat(map(pd.read_csv, files), ignore_index=True), pd.read_csv(whole))


def test_a_stopped_shard_is_continued_and_nobody_reads_its_parts(tmp_path):
    out = tmp_path / "v.parquet"
    job(out, "1/2").run(encode, TEXTS)
    with pytest.raises(Killed):
        job(out, "2/2").run(encode, TEXTS, stop_after(6))
    assert parts_folder(Shard(2, 2).file(out)).is_dir()
    assert len(pd.read_parquet(out)) == 12
    with pytest.raises(InputError, match=r"'v.parquet' lacks 1 of 2 shards: encode --shard 2/2"):
        load_embeddings(out)
    counting = Counting()
    report = job(out, "2/2").run(counting, TEXTS)
    assert (report.rows, report.resumed_rows, counting.seen) == (13, 4, TEXTS[16:])
    assert load_embeddings(out)[1] == TEXTS
    assert sorted(file.name for file in out.iterdir()) == [MANIFEST, *(file.name for file in shard_files(out))]


def test_what_does_not_belong_is_refused_and_nothing_is_lost(tmp_path):
    out = tmp_path / "v.parquet"
    job(out, "2/4").run(encode, TEXTS)
    before = {file: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(InputError, match=r"'shard-00002-of-00004.parquet' exists and is whole; --force"):
        job(out, "2/4")
    with pytest.raises(InputError, match=r"holds 4 shards; shard 2/5 would overlap them: give I/4"):
        job(out, "2/5")
    with pytest.raises(InputError, match=r"shards of another job: model was 'lengths' and is 'other'"):
        job(out, "1/4", settings={"model": "other"})
    with pytest.raises(InputError, match="precision was None and is 'int8'"):
        job(out, "1/4", settings={"model": "lengths", "precision": "int8"})
    with pytest.raises(InputError, match="texts was True and is False"):
        job(out, "1/4", keep_texts=False)
    with pytest.raises(InputError, match="the corpus had 25 rows and has 25, or other texts"):
        job(out, "1/4", texts=[*TEXTS[:-1], "another"])
    with pytest.raises(InputError, match="had 25 rows and has 24"):
        job(out, "1/4", texts=TEXTS[:-1])
    with pytest.raises(InputError, match="the model's weights changed"):
        job(out, "1/4").run(lambda texts, progress: encode(texts, progress) + 1, TEXTS)
    with pytest.raises(InputError, match=r"'v.parquet' is a folder of shards; --shard adds to it"):
        CorpusEncoding(out, {"model": "lengths"})
    (out / "more.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"holds 'more.parquet', which is no shard of this output"):
        job(out, "1/4")
    (out / "more.parquet").unlink()
    assert {file: file.read_bytes() for file in out.iterdir()} == before
    job(out, "2/4", overwrite=True).run(encode, TEXTS)


def test_a_folder_or_a_file_of_others_is_refused(tmp_path):
    one = tmp_path / "one.npy"
    CorpusEncoding(one, {}).run(encode, TEXTS)
    with pytest.raises(InputError, match=r"'one.npy' is a file; shards lie in a folder"):
        job(one, "1/2")
    (tmp_path / "notes.npy").mkdir()
    (tmp_path / "notes.npy" / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'diary.txt', which is no shard"):
        job(tmp_path / "notes.npy", "1/2")
    with pytest.raises(InputError, match=r"'v.xlsx': an output ends in .parquet"):
        job(tmp_path / "v.xlsx", "1/2")


@pytest.mark.parametrize("name", ["0/4", "5/4", "1", "1/0", "a/b", "1/2/3", "-1/4", "1.0/4", "", "1/100000"])
def test_a_shard_is_named_i_of_n(name):
    with pytest.raises(InputError, match="must be I/N with I from 1 to N"):
        Shard.parse(name)


@pytest.mark.parametrize("total", [5, 6, 99, 1000])
def test_every_row_is_in_one_shard_and_all_are_alike_in_size(total):
    parts = [Shard(number, 5).rows(total) for number in range(1, 6)]
    assert [row for part in parts for row in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    with pytest.raises(InputError, match=r"shard 1/9: 5 rows make at most 5 shards"):
        Shard(1, 9).rows(5)


def test_a_shard_that_is_cut_off_or_unreadable_is_named(tmp_path):
    out = tmp_path / "v.npy"
    encode_all(out, 2)
    second = Shard(2, 2).file(out)
    np.save(second, np.load(second)[:-1])
    with pytest.raises(InputError, match=r"'shard-00002-of-00002.npy' holds 12 rows; shard 2/2 has 13"):
        load_embeddings(out)
    second.write_bytes(b"")
    with pytest.raises(InputError, match=r"'shard-00002-of-00002.npy' holds no embeddings"):
        load_embeddings(out)
    for content in ("{", "[]", json.dumps({"shards": 0, "rows": 25}), json.dumps({"shards": "2", "rows": 25})):
        (out / MANIFEST).write_text(content)
        with pytest.raises(InputError, match="no folder of shards that can be read"):
            load_embeddings(out)


def test_two_jobs_that_begin_at_once(tmp_path, monkeypatch):
    """Of two jobs with other settings one is refused, however their steps fall: here both see an empty folder."""
    out, both = tmp_path / "v.npy", threading.Barrier(2)
    link, answers = os.link, []

    def linked(*arguments):
        both.wait(timeout=60)
        link(*arguments)

    def start(number: int) -> None:
        try:
            answers.append(job(out, f"{number}/2", settings={"model": number}).run(encode, TEXTS).rows)
        except InputError as error:
            answers.append(str(error))

    monkeypatch.setattr(os, "link", linked)
    threads = [threading.Thread(target=start, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [refused] = [answer for answer in answers if isinstance(answer, str)]
    assert "shards of another job: model was" in refused
    assert len(list(out.glob("shard-*"))) == 1
