"""However a run ends, the next one ends with the output of a run that was never stopped."""

from __future__ import annotations

import errno
import itertools
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core.corpus import outputs
from llm2vec_core.corpus.encoding import CorpusEncoding, chunks, parts_folder
from llm2vec_core.corpus.outputs import OUTPUTS, load_embeddings
from llm2vec_core.corpus.parts import PROBE
from llm2vec_core.errors import InputError
from tests.children import kill_when_it_says

TEXTS = [f"text number {i}" for i in range(25)]


def encode(texts, progress):
    """Cheap vectors that differ from text to text."""
    progress(len(texts), len(texts))
    return np.array([[len(text), sum(map(ord, text)), 0.5] for text in texts], dtype=np.float32)


class Counting:
    """The same, and which texts it was asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, texts, progress):
        self.seen += [text for text in texts if text != PROBE]
        return encode(texts, progress)


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def job(out: Path, **changes) -> CorpusEncoding:
    return CorpusEncoding(out, {"model": "lengths"}, **{"chunk_rows": 4, **changes})


def stop_after(rows: int):
    def progress(done, _):
        if done >= rows:
            raise Killed

    return progress


def undisturbed(folder: Path, suffix: str) -> bytes:
    out = folder / f"undisturbed{suffix}"
    job(out).run(encode, TEXTS)
    return out.read_bytes()


@pytest.mark.parametrize("suffix", OUTPUTS)
def test_rows_come_out_once_each_in_order(tmp_path, suffix):
    out = tmp_path / "new" / f"v{suffix}"
    told = []
    report = job(out).run(encode, iter(TEXTS), lambda *progress: told.append(progress))
    assert (report.rows, report.resumed_rows) == (25, 0)
    assert told[-1] == (25, 0)
    assert [f.name for f in out.parent.iterdir()] == [out.name]
    if suffix in (".npy", ".parquet"):
        assert np.array_equal(load_embeddings(out)[0], encode(TEXTS, lambda *_: None))
    if suffix == ".parquet":
        table = pq.read_table(out)
        assert (table["row"].to_pylist(), table["text"].to_pylist()) == (list(range(25)), TEXTS)


@pytest.mark.parametrize("suffix", OUTPUTS)
def test_a_stopped_run_is_continued(tmp_path, suffix):
    out = tmp_path / f"v{suffix}"
    with pytest.raises(Killed):
        job(out).run(encode, TEXTS, stop_after(10))
    assert not out.exists()
    counting = Counting()
    report = job(out).run(counting, TEXTS)
    assert (report.rows, report.resumed_rows) == (25, 8)
    assert counting.seen == TEXTS[8:]
    assert out.read_bytes() == undisturbed(tmp_path, suffix)


# Calls that change the disk, whatever is written.
DISK_CALLS = (*((Path, name) for name in ("mkdir", "replace", "unlink", "rmdir")), (os, "fsync"))


def interrupt(monkeypatch, watched, calls: list[str], kill_at: int) -> None:
    """Every watched call is counted; at number ``kill_at`` the process dies instead."""

    def watch(owner, name):
        original = getattr(owner, name)

        def counted(*args, **kwargs):
            calls.append(name)
            if len(calls) == kill_at:
                raise Killed(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    for owner, name in watched:
        watch(owner, name)


def die_before_each_step(places, monkeypatch, watched, run, check) -> list[str]:
    """Run a job again and again, dying one step later each time, until it ends by itself.

    Args:
        places: for each try, where it writes; made ready before anything is counted.
        watched: the steps, each an (owner, name).
        run: the job, given where it writes.
        check: what holds after each try, given the same and the steps that were reached.

    Returns:
        The step that each try died in.
    """
    # A dead process tidies nothing up: what it wrote so far stays behind.
    monkeypatch.setattr(outputs, "BaseException", Exception, raising=False)
    died_in: list[str] = []
    for kill_at, out in enumerate(places, start=1):
        calls: list[str] = []
        with monkeypatch.context() as patch:
            interrupt(patch, watched, calls, kill_at)
            try:
                run(out)
            except Killed as killed:
                died_in.append(str(killed))
            else:
                return died_in
        check(out, calls)
    raise AssertionError("the job never ended")


def test_death_before_any_step_on_the_disk(tmp_path, monkeypatch):
    expected = undisturbed(tmp_path, ".parquet")

    def check(out, calls):
        assert not out.exists() or out.read_bytes() == expected
        job(out, overwrite=True).run(encode, TEXTS)
        assert out.read_bytes() == expected, f"died at step {len(calls)}: {calls}"
        assert [f.name for f in out.parent.iterdir()] == ["v.parquet"]

    places = (tmp_path / str(i) / "v.parquet" for i in itertools.count())
    watched = (*DISK_CALLS, (pq, "write_table"))
    died_in = die_before_each_step(places, monkeypatch, watched, lambda out: job(out).run(encode, TEXTS), check)
    assert set(died_in) == {"mkdir", "replace", "unlink", "rmdir", "fsync", "write_table"}
    assert len(died_in) >= 30


JOB = """
import os
from pathlib import Path
import numpy as np
from llm2vec_core.corpus.encoding import CorpusEncoding, parts_folder

out, where, parts = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def arrive(at):
    if at == where and len(list(parts_folder(out).glob("part-*.parquet"))) == parts:
        may_be_killed()

def encode(texts, progress):
    arrive("encoding")
    return np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=np.float32)

def fsync(descriptor, original=os.fsync):
    arrive("writing")
    original(descriptor)

os.fsync = fsync
texts = (f"line {i} " * (i % 7) for i in range(3000))
CorpusEncoding(out, {"model": "slow"}, chunk_rows=40).run(encode, texts)
"""


def run_to_its_end(out: Path) -> None:
    texts = (f"line {i} " * (i % 7) for i in range(3000))
    CorpusEncoding(out, {"model": "slow"}, chunk_rows=40).run(two_numbers, texts)


def two_numbers(texts, progress):
    return np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=np.float32)


@pytest.mark.process
def test_sigkill_several_times(tmp_path):
    whole, out = tmp_path / "whole.parquet", tmp_path / "v.parquet"
    run_to_its_end(whole)
    # The last time all parts are there, and the joined file is being written.
    for where, parts in (("encoding", 3), ("writing", 11), ("writing", 75)):
        kill_when_it_says(JOB, str(out), where, str(parts))
        assert len(list(parts_folder(out).glob("part-*.parquet"))) == parts
        assert len(list(parts_folder(out).glob("*.tmp"))) == (where == "writing")
        assert not out.exists()
    run_to_its_end(out)
    assert pq.read_table(out)["row"].to_pylist() == list(range(3000))
    assert out.read_bytes() == whole.read_bytes()
    assert not parts_folder(out).exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("during", ["part", "joining"])
def test_a_full_disk(tmp_path, monkeypatch, code, during):
    out, original, calls = tmp_path / "v.parquet", os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        # 1 manifest, 7 parts, 1 joined file
        if len(calls) == (4 if during == "part" else 9):
            raise OSError(code, os.strerror(code))
        original(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        rows = 8 if during == "part" else 25
        with pytest.raises(InputError, match=f"disk is full, so 'v.parquet' .*first {rows} rows are kept.*free some"):
            job(out).run(encode, TEXTS)
    assert not out.exists()
    assert not list(parts_folder(out).glob("*.tmp"))
    assert job(out).run(encode, TEXTS).resumed_rows == rows
    assert out.read_bytes() == undisturbed(tmp_path, ".parquet")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"'v.npy' cannot be written: Not a directory"):
        job(tmp_path / "file" / "v.npy").run(encode, TEXTS)


def test_another_job_is_not_continued(tmp_path):
    out = tmp_path / "v.npy"
    with pytest.raises(Killed):
        job(out).run(encode, TEXTS, stop_after(10))
    with pytest.raises(InputError, match=r"chunk_rows was 4 and is 5.*--restart"):
        job(out, chunk_rows=5).run(encode, TEXTS)
    with pytest.raises(InputError, match=r"model was 'lengths' and is 'other'"):
        CorpusEncoding(out, {"model": "other"}, chunk_rows=4).run(encode, TEXTS)
    with pytest.raises(InputError, match=r"precision was None and is 'int8'"):
        CorpusEncoding(out, {"model": "lengths", "precision": "int8"}, chunk_rows=4).run(encode, TEXTS)
    with pytest.raises(InputError, match="the model's weights changed"):
        job(out).run(lambda texts, progress: encode(texts, progress) + 1, TEXTS)
    assert job(out).run(encode, TEXTS).resumed_rows == 8


def test_a_changed_input_is_noticed(tmp_path):
    out = tmp_path / "v.npy"
    with pytest.raises(Killed):
        job(out).run(encode, TEXTS, stop_after(10))
    with pytest.raises(InputError, match=r"input changed since 'v.npy' was begun: rows 4 to 7"):
        job(out).run(encode, [*TEXTS[:5], "another", *TEXTS[6:]])
    with pytest.raises(InputError, match="input became shorter"):
        job(out).run(encode, TEXTS[:4])
    # The same letters, cut elsewhere, are other rows.
    with pytest.raises(InputError, match="rows 0 to 3"):
        job(out).run(encode, [TEXTS[0] + TEXTS[1][0], TEXTS[1][1:], *TEXTS[2:]])
    assert job(out, restart=True).run(encode, TEXTS[:4]).rows == 4
    assert np.load(out).shape == (4, 3)


def test_two_runs_do_not_write_the_same_output(tmp_path):
    out = tmp_path / "v.npy"

    def second(done, _):
        with pytest.raises(InputError, match=r"another process is writing 'v.npy'"):
            job(out).run(encode, TEXTS)

    assert job(out).run(encode, TEXTS, second).rows == 25


def test_a_finished_output_is_kept(tmp_path):
    out = tmp_path / "v.npy"
    job(out).run(encode, TEXTS[:5])
    with pytest.raises(InputError, match=r"'v.npy' exists and is whole; --force"):
        job(out)
    job(out, overwrite=True).run(encode, TEXTS)
    assert len(np.load(out)) == 25


def test_unusable_arguments(tmp_path):
    with pytest.raises(InputError, match=r"'v.xlsx': an output ends in .parquet, .npy, .jsonl, .csv"):
        job(tmp_path / "v.xlsx")
    with pytest.raises(InputError, match="chunk_rows 0 must be at least 1"):
        job(tmp_path / "v.npy", chunk_rows=0)
    (tmp_path / "d.npy").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        job(tmp_path / "d.npy")
    with pytest.raises(InputError, match="holds no text"):
        job(tmp_path / "v.npy").run(encode, [])


def test_foreign_files_are_not_removed(tmp_path):
    out = tmp_path / "v.npy"
    parts_folder(out).mkdir()
    (parts_folder(out) / "diary.txt").write_text("mine")
    job(out).run(encode, TEXTS)
    assert [f.name for f in parts_folder(out).iterdir()] == ["diary.txt"]


def test_long_texts_end_a_chunk_early():
    sizes = [[len(text) for text in chunk] for chunk in chunks(["x" * 6, "x" * 6, "x" * 30, "x"], 10, characters=12)]
    assert sizes == [[6, 6], [30], [1]]


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    def peak(rows: int) -> float:
        arrow = []

        def watched(texts, progress):
            arrow.append(pa.total_allocated_bytes())
            return encode(texts, progress)

        tracemalloc.start()
        try:
            job(tmp_path / f"{rows}.parquet", chunk_rows=100).run(watched, (f"{i} " * 200 for i in range(rows)))
            return tracemalloc.get_traced_memory()[1] + max(arrow) - min(arrow)
        finally:
            tracemalloc.stop()

    peak(300)  # what is imported or allocated once
    assert peak(8000) < 1.3 * peak(1000) < 2e6  # the larger one holds 9 MB of text
