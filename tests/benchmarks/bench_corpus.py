"""A corpus of many texts: one process beside Ray's actors, and the index; the numbers of assets/docs/SCALE.md.

    python -m tests.benchmarks.bench_corpus stub [--rows 200000] [--engines local ray]
    python -m tests.benchmarks.bench_corpus mini [--rows 2000]
    python -m tests.benchmarks.bench_corpus index [--rows 200000] [--hidden 384]

``stub`` hashes each text into 384 numbers, so that all else is what is measured: reading, cutting, handing over, writing,
joining. ``mini`` is the bundled model. Memory is the largest sum of the proportional set sizes (shared pages counted
once) of this process and all that it started, sampled ten times a second. Ray needs the extra ``ray``.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import psutil

from llm2vec_core.bundled_data import passages
from llm2vec_core.corpus.encoding import CorpusEncoding
from llm2vec_core.corpus.lance_search import LanceCorpus, build_index
from llm2vec_core.corpus.parts import InProcess

HIDDEN = 384
SEED = np.random.default_rng(0).standard_normal((256, HIDDEN)).astype(np.float32)


def stub():
    """An encoder that costs next to nothing: the sum of a random vector for each byte."""

    def encode(texts, progress):
        counts = np.stack([np.bincount(np.frombuffer(t.encode(), np.uint8), minlength=256) for t in texts])
        return counts.astype(np.float32) @ SEED

    return encode


def mini():
    """The bundled encoder."""
    from llm2vec_core.encoder import LLM2Vec

    encoder = LLM2Vec.from_preset("mini")
    return lambda texts, progress: encoder.encode(list(texts))


def clusters(rows: int, hidden: int, chunk: int = 10_000) -> Iterator[np.ndarray]:
    """Vectors that lie around 2,000 centres, as those of texts lie around topics."""
    random = np.random.default_rng(1)
    centres = random.standard_normal((2000, hidden)).astype(np.float32)
    for start in range(0, rows, chunk):
        count = min(chunk, rows - start)
        noise = random.standard_normal((count, hidden)).astype(np.float32)
        yield centres[random.integers(0, 2000, count)] + 0.7 * noise


def texts_of(rows: int) -> Iterator[str]:
    """Short texts, each another one: the first 60 characters of a passage, and a number."""
    starts = [passage.text[:60] for passage in passages()]
    return (f"{starts[i % len(starts)]} {i}" for i in range(rows))


@contextmanager
def measured(what: str, rows: int) -> Iterator[None]:
    """Print rows a second and the largest memory."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        own = psutil.Process()
        while not done.wait(0.1):
            total = 0
            for process in [own, *own.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - start
        done.set()
        thread.join()
    print(
        f"{what}: {rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s, {peak[0] / 2**20:,.0f} MiB",
        flush=True,
    )


def encode(kind: str, rows: int, engines: list[str], folder: Path) -> None:
    """One process beside Ray."""
    factory = {"stub": stub, "mini": mini}[kind]
    for name in engines:
        job = CorpusEncoding(folder / f"{name}.lance", {}, chunk_rows=4096 if kind == "stub" else 256)
        if name == "local":
            engine = InProcess(factory())
            with measured(f"{kind}, one process", rows):
                job.run_with(engine, texts_of(rows))
            continue
        from llm2vec_core.corpus.ray_engine import RayEngine

        ray = RayEngine(factory, actors=2)
        with (
            measured(f"{kind}, Ray with 2 actors, from starting Ray to stopping it", rows),
            ray.cluster(),
            measured(f"{kind}, Ray with 2 actors, the cluster running", rows),
        ):
            job.run_with(ray, texts_of(rows))
    size = sum(f.stat().st_size for f in (folder / f"{engines[0]}.lance").rglob("*") if f.is_file())
    print(f"{kind}: {size / rows:,.0f} bytes a row as .lance")


def index(rows: int, hidden: int, folder: Path) -> None:
    """Build an index over vectors that nobody had to encode, and search."""
    vectors, out = clusters(rows, hidden), folder / "v.lance"
    buffered = iter(vector for block in vectors for vector in block)

    def give(texts, progress):
        if len(texts) == 1:
            return np.ones((1, hidden), np.float32)
        return np.stack([next(buffered) for _ in texts])

    with measured("written", rows):
        CorpusEncoding(out, {}, chunk_rows=10_000, keep_texts=False).run(give, (str(i) for i in range(rows)))
    queries = next(clusters(100, hidden))

    def seconds_a_query() -> float:
        corpus = LanceCorpus(out)
        corpus.search(queries[0], 10)
        start = time.perf_counter()
        for query in queries[:20]:
            corpus.search(query, 10)
        return (time.perf_counter() - start) / 20

    print(f"exact search: {1000 * seconds_a_query():.0f} ms a query")
    with measured("index", rows):
        report = build_index(out, exact_below=0)
    print(f"{report}\nsearch: {1000 * seconds_a_query():.0f} ms a query")
    for name in ("data", "_indices"):
        size = sum(f.stat().st_size for f in (out / name).rglob("*") if f.is_file())
        print(f"{name}: {size / rows:,.0f} bytes a row")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("stub", "mini", "index"))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--engines", nargs="+", choices=("local", "ray"), default=["local", "ray"])
    arguments = parser.parse_args()
    rows = arguments.rows or {"stub": 200_000, "mini": 2000, "index": 200_000}[arguments.what]
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    print(f"{date.today()}, {platform.processor() or platform.machine()}, {psutil.cpu_count()} cores, load {load}")
    folder = Path(tempfile.mkdtemp())
    try:
        if arguments.what == "index":
            index(rows, arguments.hidden, folder)
        else:
            encode(arguments.what, rows, arguments.engines, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
