"""What the cluster's driver and its actors do, without the cluster: texts on the disk, parts in any order."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus.encoding import CorpusEncoding, ShardEncoding, parts_folder
from llm2vec_core.corpus.outputs import load_embeddings
from llm2vec_core.corpus.parts import PROBE, Part, PartWriter
from llm2vec_core.corpus.ray_engine import MOST_DEATHS, PartEncoder, RayEngine, raise_error, stage, staged
from llm2vec_core.corpus.shards import Corpus, Shard
from llm2vec_core.errors import InputError, MissingPackageError, ModelError
from tests.corpus.test_encoding import TEXTS, Counting, Killed, encode, stop_after


def factory():
    return encode


class Staged:
    """The Ray engine with its actors called one after another here, in the worst order."""

    def __init__(self, make=factory, stop_after: int | None = None) -> None:
        self._make, self._stop_after = make, stop_after

    def probe(self) -> np.ndarray:
        return self._make()([PROBE], lambda *_: None)[0]

    def run(self, pending, write, within):
        rows = [stage(part, write) for part in pending]
        random.Random(3).shuffle(rows)
        actors = [PartEncoder(self._make, write) for _ in range(2)]
        for number, row in enumerate(rows):
            if number == self._stop_after:
                raise Killed
            batch = {name: np.array([value], dtype=object) for name, value in row.items()}
            answer = actors[number % 2](batch)
            raise_error(answer)
            yield int(answer["rows"][0])


def job(out: Path, **changes) -> CorpusEncoding:
    return CorpusEncoding(out, {"model": "lengths"}, **{"chunk_rows": 4, **changes})


def undisturbed(folder: Path, suffix: str) -> bytes:
    job(folder / f"undisturbed{suffix}").run(encode, TEXTS)
    return (folder / f"undisturbed{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".jsonl", ".csv"])
def test_parts_in_any_order_give_the_file_of_one_process(tmp_path, suffix):
    out, told = tmp_path / f"v{suffix}", []
    report = job(out).run_with(Staged(), iter(TEXTS), lambda *progress: told.append(progress))
    assert (report.rows, report.resumed_rows) == (25, 0)
    assert told[-1] == (25, 0)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert out.read_bytes() == undisturbed(tmp_path, suffix)
    assert not parts_folder(out).exists()


def test_a_dataset_and_its_shards(tmp_path):
    job(tmp_path / "one.lance").run_with(Staged(), TEXTS)
    for number in (1, 2):
        shard = ShardEncoding(tmp_path / "v.lance", Shard(number, 2), Corpus.survey(TEXTS), {}, chunk_rows=4)
        shard.run_with(Staged(), TEXTS)
    wanted = encode(TEXTS, lambda *_: None)
    for name in ("one.lance", "v.lance"):
        embeddings, texts = load_embeddings(tmp_path / name)
        assert texts == TEXTS
        np.testing.assert_array_equal(embeddings, wanted)


@pytest.mark.parametrize("first", ["here", "there"])
def test_what_one_engine_has_begun_another_finishes(tmp_path, first):
    out, counting = tmp_path / "v.parquet", Counting()
    with pytest.raises(Killed):
        if first == "here":
            job(out).run(encode, TEXTS, stop_after(10))
        else:
            job(out).run_with(Staged(stop_after=3), TEXTS)
    done = len(list(parts_folder(out).glob("part-*")))
    assert done == (2 if first == "here" else 3)
    last = job(out)
    report = last.run_with(Staged(lambda: counting), TEXTS) if first == "here" else last.run(counting, TEXTS)
    assert report.resumed_rows == 25 - len(counting.seen)
    assert 4 * done - 3 <= report.resumed_rows <= 4 * done
    assert out.read_bytes() == undisturbed(tmp_path, ".parquet")
    assert not parts_folder(out).exists()


@pytest.mark.parametrize("records", [["a", "", "ü\n😀"], [("a", "x"), ("", "y"), ("ü\n😀", "")]])
def test_texts_come_to_the_actors_as_they_were(tmp_path, records):
    part = Part(7, 28, records)
    row = stage(part, PartWriter(tmp_path, "v.npy"))
    assert (row["number"], row["first_row"]) == (7, 28)
    assert staged(row) == part


def test_a_part_that_is_given_twice_is_encoded_once(tmp_path):
    counting, write = Counting(), PartWriter(tmp_path, "v.npy")
    row = stage(Part(0, 0, TEXTS[:3]), write)
    batch = {name: np.array([value], dtype=object) for name, value in row.items()}
    actor = PartEncoder(lambda: counting, write)
    assert [actor(batch)["rows"].tolist() for _ in range(2)] == [[3], [3]]
    assert counting.seen == TEXTS[:3]
    assert [file.name for file in tmp_path.iterdir()] == ["part-000000.parquet"]
    assert pq.read_table(write.path(0))["text"].to_pylist() == TEXTS[:3]


def test_a_folder_that_an_actor_does_not_see_is_named(tmp_path):
    write = PartWriter(tmp_path, "v.npy")
    row = stage(Part(0, 0, TEXTS[:3]), write) | {"texts": "/elsewhere/texts-000000.parquet"}
    batch = {name: np.array([value], dtype=object) for name, value in row.items()}
    with pytest.raises(InputError, match=r"does not find 'texts-000000.parquet': each machine .* folder of 'v.npy'"):
        raise_error(PartEncoder(factory, write)(batch))


def test_a_part_that_kills_every_actor_is_given_up_and_named(tmp_path):
    def deadly(texts, progress):
        if TEXTS[9] in texts:
            raise Killed
        return encode(texts, progress)

    write = PartWriter(tmp_path, "v.npy")
    row = stage(Part(2, 8, TEXTS[8:12]), write)
    batch = {name: np.array([value], dtype=object) for name, value in row.items()}
    for _ in range(MOST_DEATHS):
        with pytest.raises(Killed):
            PartEncoder(lambda: deadly, write)(batch)
    with pytest.raises(
        ModelError, match=r"died 3 times over rows 8 and following of 'v.npy', perhaps for want of memory"
    ):
        raise_error(PartEncoder(lambda: deadly, write)(batch))
    # The next command may have more memory.
    assert PartEncoder(factory, write)(batch)["rows"].tolist() == [4]


def test_an_input_that_changed_is_noticed_before_anything_is_encoded(tmp_path):
    out = tmp_path / "v.parquet"
    with pytest.raises(Killed):
        job(out).run(encode, TEXTS, stop_after(10))
    with pytest.raises(InputError, match="rows 4 to 7 are others now"):
        job(out).run_with(Staged(), [*TEXTS[:5], "another", *TEXTS[6:]])
    assert len(list(parts_folder(out).glob("part-*"))) == 2
    assert job(out).run_with(Staged(), TEXTS).resumed_rows == 8


def test_a_full_disk_while_texts_are_laid_out(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    out = tmp_path / "v.parquet"
    with monkeypatch.context() as patch:
        patch.setattr("llm2vec_core.corpus.ray_engine.pq.write_table", full)
        with pytest.raises(InputError, match=r"the disk is full, so 'v.parquet' could not be finished"):
            job(out).run_with(Staged(), TEXTS)
    assert job(out).run_with(Staged(), TEXTS).rows == 25


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError) as caught:
        RayEngine(factory)
    assert str(caught.value) == "--engine ray needs ray: pip install '.[ray]' in the project's folder"


def test_errors_of_an_actor_keep_their_type_and_what_is_done_is_kept(tmp_path):
    def broken():
        return lambda texts, progress: encode(texts, progress) * (np.inf if TEXTS[9] in texts else 1)

    out = tmp_path / "v.parquet"
    with pytest.raises(ModelError, match="NaN or infinity for row 8"):
        job(out).run_with(Staged(broken), TEXTS)
    done = len(list(parts_folder(out).glob("part-*")))
    assert job(out).run_with(Staged(), TEXTS).resumed_rows >= 4 * done - 3
    assert out.read_bytes() == undisturbed(tmp_path, ".parquet")
