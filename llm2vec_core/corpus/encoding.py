"""Encode a corpus of any size, in bounded memory, so that a kill costs one chunk.

The input is cut into chunks. Each chunk's rows are written as one part file, which gets its name only when
it is whole on the disk; the parts are joined at the end. A run that finds parts of the same job keeps them:
it reads over their rows, compares a digest, and goes on behind them. So each row is in the output once,
whenever the run before was stopped, and the numbers are those of a run that never stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from llm2vec_core.corpus.lance_files import is_lance
from llm2vec_core.corpus.outputs import refuse_suffix, whole_file, write_output
from llm2vec_core.corpus.parts import Encode, Engine, InProcess, Part, PartWriter, digest, disk_errors
from llm2vec_core.corpus.shards import Corpus, Record, Shard, fields, is_shard, is_sharded, join_folder, refuse_folder
from llm2vec_core.errors import InputError

CHUNK_ROWS = 4096
# Long texts end a chunk early: 4,096 books would not fit into memory.
CHUNK_CHARACTERS = 32 * 2**20
PROBE_VALUES = 16
MANIFEST, LOCK = "manifest.json", "lock"
# What a killed process was writing; texts on their way to an engine's processes.
TEMPORARY = ("*.tmp", "texts-*.parquet")
OWN_COLUMNS = ("row", "text", "embedding")

Progress = Callable[[int, int], None]
Item = TypeVar("Item", bound=Record)


@dataclass
class _Survey:
    """What has been read so far."""

    rows: int = 0
    resumed: int = 0
    parts: int = 0


@dataclass(frozen=True)
class EncodingReport:
    """What a run did.

    Attributes:
        rows: in the output.
        resumed_rows: of them, encoded by an earlier run.
    """

    rows: int
    resumed_rows: int


class CorpusEncoding:
    """A job that can be stopped and started again: texts in, one file of embeddings out.

    Args:
        out: the file; its suffix, one of :data:`llm2vec_core.corpus.outputs.SUFFIXES`, is its format.
        settings: whatever decides the numbers (model, options, input files), as JSON has it. A run with
            other settings does not go on with this one's parts.
        chunk_rows: rows of a part.
        keep_texts: whether the output holds the texts too.
        kept: names of other columns that the output holds; each text then comes as a tuple with their values behind it.
        overwrite: replace a finished output.
        restart: throw away parts of an earlier run.
        first_row: number of the first text, where the output is one shard of many.

    Raises:
        InputError: for an unknown suffix, ``chunk_rows`` below 1, a kept column that the output cannot hold, or an
            output that is there already.
        MissingPackageError: for ``.lance`` without its extra.

    Example:
        >>> import tempfile
        >>> def lengths(texts, progress):
        ...     return np.array([[len(text)] for text in texts], dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = Path(folder) / "lengths.npy"
        ...     job = CorpusEncoding(out, {"what": "length"}, chunk_rows=2)
        ...     job.run(lengths, ["a", "bb", "ccc"]), np.load(out).ravel().tolist()
        (EncodingReport(rows=3, resumed_rows=0), [1.0, 2.0, 3.0])
    """

    def __init__(
        self,
        out: Path,
        settings: dict[str, Any],
        *,
        chunk_rows: int = CHUNK_ROWS,
        keep_texts: bool = True,
        kept: Sequence[str] = (),
        overwrite: bool = False,
        restart: bool = False,
        first_row: int = 0,
    ) -> None:
        refuse_suffix(out)
        _refuse_columns(out, kept)
        if chunk_rows < 1:
            raise InputError(f"chunk_rows {chunk_rows} must be at least 1")
        self.out = out
        self.parts = parts_folder(out)
        refuse_existing(out, overwrite)
        keep_texts = keep_texts and out.suffix != ".npy"
        self._write = PartWriter(self.parts, out.name, first_row, keep_texts, tuple(kept))
        self._chunk_rows = chunk_rows
        # Through JSON, so that a comparison with a stored manifest compares like with like.
        own = {"chunk_rows": chunk_rows, "texts": keep_texts, **({"kept": list(kept)} if kept else {})}
        self._settings = json.loads(json.dumps({**settings, **own}))
        self._restart = restart

    def run(self, encode: Encode, texts: Iterable[Record], progress: Progress | None = None) -> EncodingReport:
        """Encode all texts, or those that an earlier run did not come to.

        Args:
            encode: turns a chunk of texts into float32 of shape (texts, hidden).
            texts: all of them, from the first one on, also when the job goes on.
            progress: called with (rows done, of them by an earlier run).

        Raises:
            InputError: if parts of another job are in the way, the input changed, there is no text, the
                disk is full, or another process is at work on the same output. Parts stay whole.
            ModelError: if the encoder gives numbers that are not finite.
        """
        return self.run_with(InProcess(encode), texts, progress)

    def run_with(self, engine: Engine, texts: Iterable[Record], progress: Progress | None = None) -> EncodingReport:
        """As :meth:`run`, by an engine that encodes in processes or on machines of its own.

        Parts of either are the other's: a job may be begun here and finished on a cluster.
        """
        with disk_errors(self.out.name):
            self.parts.mkdir(parents=True, exist_ok=True)
        with self._lock():
            probe = self._begin(engine)
            survey = _Survey()
            encoded = 0

            def told(rows: int) -> None:
                if progress:
                    progress(survey.resumed + encoded + rows, survey.resumed)

            for rows in engine.run(self._pending(texts, survey, told), self._write, told):
                encoded += rows
                told(0)
            self._finish(survey.parts, survey.rows, probe)
        self._remove_folder()
        return EncodingReport(survey.rows, survey.resumed)

    def _pending(self, texts: Iterable[Record], survey: _Survey, told: Callable[[int], None]) -> Iterator[Part]:
        for number, chunk in enumerate(chunks(texts, self._chunk_rows)):
            part = Part(number, survey.rows, chunk)
            survey.parts, survey.rows = number + 1, survey.rows + len(chunk)
            if self._is_done(part):
                survey.resumed += len(chunk)
                told(0)
            else:
                yield part

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = FileLock(self.parts / LOCK)
        with disk_errors(self.out.name):
            try:
                # The system frees it when the process ends, however it ends.
                lock.acquire(timeout=0)
            except Timeout as error:
                raise InputError(
                    f"another process is writing {self.out.name!r}; wait for it or choose another name"
                ) from error
        try:
            yield
        finally:
            lock.release()

    def _begin(self, engine: Engine) -> list[float]:
        manifest = self.parts / MANIFEST
        if self._restart or not manifest.is_file():
            # Without a manifest, parts are what a removal left behind.
            self._remove_parts()
        self._remove(*TEMPORARY)
        probe = [float(value) for value in engine.probe()]
        if manifest.is_file():
            self._compare(json.loads(manifest.read_text(encoding="utf-8")), probe[:PROBE_VALUES])
            return probe
        content = {"settings": self._settings, "probe": probe[:PROBE_VALUES]}
        with disk_errors(self.out.name), whole_file(manifest) as file:
            file.write(json.dumps(content, indent=1).encode("utf-8") + b"\n")
        return probe

    def _compare(self, stored: dict[str, Any], probe: list[float]) -> None:
        then, now = stored["settings"], self._settings
        differing = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        if differing:
            name = differing[0]
            change = f"{name} was {then.get(name)!r:.80} and is {now.get(name)!r:.80}"
        elif not np.allclose(stored["probe"], probe, rtol=1e-3, atol=1e-4):
            change = "the model's weights changed"
        else:
            return
        raise InputError(
            f"{self.parts.name!r} holds parts of another job: {change}. Give the same command to go on with it, "
            "or --restart to throw its parts away"
        )

    def _is_done(self, part: Part) -> bool:
        path = self._write.path(part.number)
        if not path.is_file():
            return False
        if (pq.read_schema(path).metadata or {}).get(b"texts") != digest(part.records):
            first = self._write.first_row + part.first_row
            raise InputError(
                f"the input changed since {self.out.name!r} was begun: rows {first} to "
                f"{first + len(part.records) - 1} are others now; --restart begins anew"
            )
        return True

    def _finish(self, parts: int, rows: int, probe: list[float]) -> None:
        if parts == 0:
            self._remove_parts()
            raise InputError("the input holds no text: nothing to encode")
        if self._write.path(parts).is_file():
            raise InputError(f"the input became shorter since {self.out.name!r} was begun; --restart begins anew")
        tables = (_read_part(self._write.path(number)) for number in range(parts))
        with disk_errors(self.out.name, rows):
            write_output(self.out, self.parts / "joined.tmp", tables, rows, self._settings, probe)
        self._remove_parts()

    def _remove_parts(self) -> None:
        # The manifest first: what is left without one is never taken for a job.
        self._remove(MANIFEST, "part-*.parquet", *TEMPORARY)

    def _remove(self, *patterns: str) -> None:
        for pattern in patterns:
            for file in self.parts.glob(pattern):
                if file.is_dir():
                    shutil.rmtree(file)
                else:
                    file.unlink()

    def _remove_folder(self) -> None:
        (self.parts / LOCK).unlink(missing_ok=True)
        if not any(self.parts.iterdir()):
            self.parts.rmdir()


class ShardEncoding:
    """One shard of a corpus, into its file of a folder; each shard may run on a machine of its own.

    Args:
        out: the folder; its suffix is the format of the shards.
        shard: which one.
        corpus: what all shards are cut from.
        settings: whatever decides the numbers, the same for all shards.
        options: as of :class:`CorpusEncoding`; ``overwrite`` and ``restart`` are about this shard alone.

    Raises:
        InputError: as :class:`CorpusEncoding`, or as :func:`llm2vec_core.corpus.shards.refuse_folder`.

    Example:
        >>> import tempfile
        >>> def lengths(texts, progress):
        ...     return np.array([[len(text)] for text in texts], dtype=np.float32)
        >>> texts = ["a", "bb", "ccc"]
        >>> with tempfile.TemporaryDirectory() as place:
        ...     for number in (1, 2):
        ...         job = ShardEncoding(Path(place) / "v.npy", Shard(number, 2), Corpus.survey(texts), {})
        ...         print(job.run(lengths, texts), sorted(file.name for file in job.folder.iterdir())[-1])
        EncodingReport(rows=1, resumed_rows=0) shard-00001-of-00002.npy
        EncodingReport(rows=2, resumed_rows=0) shard-00002-of-00002.npy
    """

    def __init__(self, out: Path, shard: Shard, corpus: Corpus, settings: dict[str, Any], **options: Any) -> None:
        refuse_suffix(out)
        if is_lance(out):
            raise InputError(f"{out.name!r} exists and is whole; a shard cannot be added to it: choose another name")
        self.folder, self.shard, self._corpus = out, shard, corpus
        self.rows = shard.rows(corpus.rows)
        kept = {"kept": list(options["kept"])} if options.get("kept") else {}
        self._settings = {**settings, "texts": options.get("keep_texts", True) and out.suffix != ".npy", **kept}
        refuse_folder(out, shard, corpus, self._settings)
        own = {**settings, "shard": str(shard), "corpus": [corpus.rows, corpus.digest]}
        self._job = CorpusEncoding(shard.file(out), own, first_row=self.rows.start, **options)

    def run(self, encode: Encode, texts: Iterable[Record], progress: Progress | None = None) -> EncodingReport:
        """Encode the shard's texts, or those that an earlier run did not come to.

        Args:
            encode: as of :meth:`CorpusEncoding.run`.
            texts: all of the corpus, from the first one on.
            progress: called with (rows done, of them by an earlier run), of this shard.

        Raises:
            InputError: as :meth:`CorpusEncoding.run`, or if the folder came to hold shards of another job meanwhile.
        """
        return self.run_with(InProcess(encode), texts, progress)

    def run_with(self, engine: Engine, texts: Iterable[Record], progress: Progress | None = None) -> EncodingReport:
        """As :meth:`run`, by an engine; see :meth:`CorpusEncoding.run_with`."""
        probe = [float(value) for value in engine.probe()[:PROBE_VALUES]]
        with disk_errors(self.folder.name):
            join_folder(self.folder, self.shard, self._corpus, self._settings, probe)
        return self._job.run_with(engine, islice(texts, self.rows.start, self.rows.stop), progress)


def parts_folder(out: Path) -> Path:
    """Where the parts of an output are kept until it is whole: a folder beside it."""
    # Whoever reads a folder of shards leaves out what begins so.
    return out.with_name(("_" if is_shard(out) else "") + out.name + ".parts")


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Stop before a finished output is lost; one whose parts are still there is this job's own.

    Raises:
        InputError: if ``out`` is there and may not be replaced, or is a folder and no Lance dataset.
    """
    if out.is_dir() and not is_lance(out):
        what = "a folder of shards; --shard adds to it" if is_sharded(out) else "a folder; name a file"
        raise InputError(f"{out.name!r} is {what}")
    if out.exists() and not overwrite and not (parts_folder(out) / MANIFEST).is_file():
        raise InputError(f"{out.name!r} exists and is whole; --force replaces it")


def _refuse_columns(out: Path, kept: Sequence[str]) -> None:
    wrong = [
        name for number, name in enumerate(kept) if name in OWN_COLUMNS or name.isdecimal() or name in kept[:number]
    ]
    if wrong:
        raise InputError(f"the column {wrong[0]!r} cannot be kept: the output has one of that name, or it is a number")
    if kept and out.suffix == ".npy":
        raise InputError(f"{out.name!r} holds numbers alone and cannot keep {kept[0]!r}; write .parquet or .lance")


def chunks(texts: Iterable[Item], rows: int, characters: int = CHUNK_CHARACTERS) -> Iterator[list[Item]]:
    """Cut a stream of texts into lists of at most ``rows`` texts and, but for single texts, ``characters``.

    Example:
        >>> list(chunks(["a", "b", "c", "dddd", "e"], rows=2, characters=4))
        [['a', 'b'], ['c'], ['dddd'], ['e']]
    """
    chunk: list[Item] = []
    size = 0
    for text in texts:
        length = sum(map(len, fields(text)))
        if chunk and (len(chunk) == rows or size + length > characters):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += length
    if chunk:
        yield chunk


def _read_part(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read()
