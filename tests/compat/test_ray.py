"""Ray Data on this machine, two actors. Oracle: one process. Run by ``make compat``, for Ray is large."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pyarrow.parquet as pq
import pytest
import ray

from llm2vec_core.bundled_data import passages
from llm2vec_core.cli import main
from llm2vec_core.corpus.encoding import CorpusEncoding, parts_folder
from llm2vec_core.corpus.outputs import load_embeddings
from llm2vec_core.corpus.ray_engine import RayEngine
from llm2vec_core.errors import InputError, ModelError

ROOT = Path(__file__).parents[2]
TEXTS = [f"text number {i}" for i in range(40)]


def vectors(texts) -> np.ndarray:
    return np.array([[len(text), sum(map(ord, text)), 0.5] for text in texts], dtype=np.float32)


def plain():
    return lambda texts, progress: vectors(texts)


@pytest.fixture(scope="module")
def cluster():
    os.environ["PYTHONPATH"] = str(ROOT)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def job(out: Path) -> CorpusEncoding:
    return CorpusEncoding(out, {"model": "lengths"}, chunk_rows=4)


def test_the_command_gives_what_one_process_gives(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [passage.text for passage in passages()[:48]]
    Path("texts.txt").write_text("\n".join(texts))
    command = ["encode", "texts.txt", "--chunk-rows", "8", "--model", "mini", "--quiet"]
    assert main([*command, "--out", "one.parquet"]) == 0
    for name in ("many.parquet", "many.lance"):
        assert main([*command, "--out", name, "--engine", "ray", "--actors", "2"]) == 0
        found, wanted = load_embeddings(tmp_path / name), load_embeddings(tmp_path / "one.parquet")
        assert found[1] == wanted[1] == texts
        np.testing.assert_allclose(found[0], wanted[0], atol=1e-6 * np.abs(wanted[0]).max(), rtol=0)
        assert not parts_folder(tmp_path / name).exists()
    assert lance.dataset("many.lance").to_table()["row"].to_pylist() == list(range(48))
    assert pq.read_table("many.parquet")["row"].to_pylist() == list(range(48))


class DiesOnce:
    """An encoder whose process is killed, as the system does when memory runs out, over one text; or every time."""

    def __init__(self, folder: Path, always: bool = False) -> None:
        self.folder, self.always = folder, always

    def __call__(self):
        def encode(texts, progress):
            if TEXTS[13] in texts and (self.always or not (self.folder / "died").exists()):
                (self.folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return vectors(texts)

        return encode


def test_a_killed_actor_is_replaced(cluster, tmp_path):
    out = tmp_path / "v.lance"
    assert job(out).run_with(RayEngine(DiesOnce(tmp_path), actors=2), TEXTS).rows == 40
    assert (tmp_path / "died").exists()
    embeddings, texts = load_embeddings(out)
    assert texts == TEXTS
    np.testing.assert_array_equal(embeddings, vectors(TEXTS))


def test_a_part_that_kills_every_actor_ends_the_job_and_nothing_else_is_lost(cluster, tmp_path):
    out = tmp_path / "v.parquet"
    with pytest.raises(ModelError, match=r"died 3 times over rows 12 and following of 'v.parquet'"):
        job(out).run_with(RayEngine(DiesOnce(tmp_path, always=True), actors=2), TEXTS)
    done = len(list(parts_folder(out).glob("part-*.parquet")))
    assert 1 <= done <= 9
    assert job(out).run_with(RayEngine(plain, actors=2), TEXTS).resumed_rows == 4 * done
    assert load_embeddings(out)[1] == TEXTS


def small_files():
    def encode(texts, progress):
        if TEXTS[30] in texts:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return vectors(texts)

    return encode


def not_finite():
    return lambda texts, progress: vectors(texts) * (np.inf if TEXTS[30] in texts else 1)


def refusing():
    def encode(texts, progress):
        if TEXTS[30] in texts:
            raise InputError("this text cannot be encoded")
        return vectors(texts)

    return encode


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (small_files, InputError, "the disk is full, so 'v.parquet' could not be finished"),
        (not_finite, ModelError, "NaN or infinity for row"),
        (refusing, InputError, "this text cannot be encoded"),
    ],
)
def test_what_goes_wrong_in_an_actor_is_named_and_what_is_done_is_kept(cluster, tmp_path, factory, error, message):
    out = tmp_path / "v.parquet"
    with pytest.raises(error, match=message):
        job(out).run_with(RayEngine(factory, actors=2), TEXTS)
    assert job(out).run_with(RayEngine(plain, actors=2), TEXTS).resumed_rows > 0
    np.testing.assert_array_equal(load_embeddings(out)[0], vectors(TEXTS))


def test_more_actors_than_there_is_room_for_are_refused(cluster, tmp_path):
    with pytest.raises(InputError, match="3 actors need as many CPUs; the cluster has 2"):
        job(tmp_path / "v.npy").run_with(RayEngine(plain, actors=3), TEXTS)
    with pytest.raises(InputError, match="1 actors need as many GPUs; the cluster has 0"):
        job(tmp_path / "v.npy").run_with(RayEngine(plain, use_gpu=True), TEXTS)
    with pytest.raises(InputError, match="actors 0 must be at least 1"):
        RayEngine(plain, actors=0)


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from llm2vec_core.corpus.encoding import CorpusEncoding
from llm2vec_core.corpus.ray_engine import RayEngine

def slow():
    def encode(texts, progress):
        time.sleep(0.3)
        return np.array([[len(text), sum(map(ord, text)), 0.5] for text in texts], dtype=np.float32)
    return encode

texts = [f"text number {i}" for i in range(40)]
engine = RayEngine(slow, actors=2)
with engine.cluster():
    report = CorpusEncoding(Path(sys.argv[1]), {"model": "lengths"}, chunk_rows=4).run_with(
        engine, texts, lambda done, _: print(done, flush=True))
print(report)
"""


@pytest.mark.process
def test_a_killed_driver_is_continued(tmp_path):
    out = tmp_path / "v.lance"
    command = [sys.executable, "-c", KILLED, str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        while int(process.stdout.readline()) < 12:
            pass
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    report = done.stdout.splitlines()[-1]
    assert report.startswith("EncodingReport(rows=40, resumed_rows=")
    assert 12 <= int(report.split("=")[-1].rstrip(")")) < 40
    embeddings, texts = load_embeddings(out)
    assert texts == TEXTS
    np.testing.assert_array_equal(embeddings, vectors(TEXTS))
