"""Encode a corpus on many processes or machines with Ray Data: one encoder an actor, one part at a time in each.

The driver reads the input, as one process does, and puts the texts of each part that is still to be encoded into a
file beside the parts. Ray Data hands the names of these files to a pool of actors; an actor reads the texts, encodes
them and writes the part. So nothing but names passes through Ray's object store, memory holds a part an actor, and a
part that is there is done: whatever is killed, the same command goes on with what is missing. All machines must see the
folder of the output under the same name, and have this package installed.

Ray Data: https://docs.ray.io/en/latest/data/data.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llm2vec_core import errors
from llm2vec_core.corpus.outputs import whole_file
from llm2vec_core.corpus.parts import PROBE, Encode, Part, PartWriter, disk_errors
from llm2vec_core.errors import InputError, LLM2VecError, ModelError
from llm2vec_core.extras import require

# A part whose actors die so often is itself to blame: its texts need more memory than there is. Ray alone would
# go on for ever.
MOST_DEATHS = 3

# Called once in each actor.
Factory = Callable[[], Encode]


def require_ray() -> None:
    """Stop unless Ray is installed; nothing is imported.

    Raises:
        MissingPackageError: naming the extra.
    """
    require("ray", "ray", what="--engine ray")


def stage(part: Part, write: PartWriter) -> dict[str, Any]:
    """Put a part's texts where an actor finds them.

    Args:
        part: to be encoded.
        write: knows the folder.

    Returns:
        What :class:`PartEncoder` has to know: "number", "first_row", "texts" (the file's path).

    Raises:
        InputError: if the disk is full.
    """
    path = write.folder / f"texts-{part.number:06d}.parquet"
    columns = zip(*((item,) if isinstance(item, str) else item for item in part.records), strict=True)
    table = pa.table({str(i): pa.array(column, pa.string()) for i, column in enumerate(columns)})
    with disk_errors(write.out, part.first_row), whole_file(path) as file:
        pq.write_table(table, file, compression="zstd")
    return {"number": part.number, "first_row": part.first_row, "texts": str(path)}


def staged(row: dict[str, Any]) -> Part:
    """The part that :func:`stage` put into a file."""
    columns = [column.to_pylist() for column in pq.read_table(row["texts"]).columns]
    records = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    return Part(int(row["number"]), int(row["first_row"]), records)


class PartEncoder:
    """What an actor is: an encoder, and where its parts go.

    Args:
        factory: makes the encoder.
        write: writes a part.
    """

    def __init__(self, factory: Factory, write: PartWriter) -> None:
        self._encode = factory()
        self._write = write

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Encode and write the parts of a batch of :func:`stage`'s rows; gives the number of rows of each.

        What goes wrong on purpose is a result as well, "error" with the class's name in front: of what is raised Ray
        keeps the text alone.
        """
        rows, wrong = [], []
        for values in zip(*batch.values(), strict=True):
            row = dict(zip(batch, values, strict=True))
            written = self._write.path(int(row["number"]))
            # Ray gives a part once more when it lost the answer.
            try:
                if not written.is_file():
                    self._encode_part(row)
                rows.append(pq.read_metadata(written).num_rows)
                wrong.append("")
            except LLM2VecError as error:
                rows.append(0)
                wrong.append(f"{type(error).__name__}: {error}")
        return {"rows": np.array(rows, dtype=np.int64), "error": np.array(wrong, dtype=object)}

    def _encode_part(self, row: dict[str, Any]) -> None:
        texts = Path(row["texts"])
        if not texts.is_file():
            raise InputError(
                f"an actor does not find {texts.name!r}: each machine of the cluster must see the folder of "
                f"{self._write.out!r} under the same name"
            )
        begun = texts.with_suffix(".begun.tmp")
        # On the disk, for a process that is killed tells nobody. A byte for each time.
        with begun.open("ab") as file:
            file.write(b".")
        if begun.stat().st_size > MOST_DEATHS:
            begun.unlink()
            raise ModelError(
                f"the encoder's process died {MOST_DEATHS} times over rows {row['first_row']} and following of "
                f"{self._write.out!r}, perhaps for want of memory. What is encoded is kept; give the same command with "
                "fewer actors or a smaller --max-tokens-per-batch"
            )
        part = staged(row)
        self._write(part, self._encode(part.texts, lambda *_: None))
        for leftover in (texts, begun):
            leftover.unlink(missing_ok=True)


class RayEngine:
    """The engine that encodes on Ray's actors.

    Args:
        factory: makes the encoder in an actor; it must be picklable.
        actors: how many; by default one a GPU of the cluster, or one a CPU where there is none.
        address: of a running cluster; by default what ``RAY_ADDRESS`` names, or this machine alone.
        use_gpu: whether an actor takes a GPU; by default where the cluster has any.

    Raises:
        MissingPackageError: without the extra ``ray``.
    """

    def __init__(
        self,
        factory: Factory,
        *,
        actors: int | None = None,
        address: str | None = None,
        use_gpu: bool | None = None,
    ) -> None:
        require_ray()
        if actors is not None and actors < 1:
            raise InputError(f"actors {actors} must be at least 1")
        self._factory, self._actors, self._address, self._use_gpu = factory, actors, address, use_gpu
        self._probe: np.ndarray | None = None

    @contextmanager
    def cluster(self) -> Iterator[None]:
        """Connect to the cluster, or start one on this machine and stop it in the end."""
        import ray

        if ray.is_initialized():
            yield
            return
        try:
            ray.init(address=self._address, include_dashboard=False, log_to_driver=False, logging_level="warning")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"there is no Ray cluster at {self._address!r:.80} ({error!s:.80})") from error
        try:
            yield
        finally:
            ray.shutdown()

    def probe(self) -> np.ndarray:
        """As of :class:`~llm2vec_core.corpus.parts.Engine`: on the cluster, for the driver may be too small."""
        import ray

        if self._probe is None:
            _, resources = self._plan()
            task = ray.remote(_probe_of).options(**resources)
            with _ray_errors():
                self._probe = ray.get(task.remote(self._factory))
        return self._probe

    def run(self, pending: Iterator[Part], write: PartWriter, within: Callable[[int], None]) -> Iterator[int]:
        """As of :class:`~llm2vec_core.corpus.parts.Engine`; parts come as they are done, in no order."""
        import ray

        # Actors have working directories of their own.
        write = replace(write, folder=write.folder.resolve())
        rows = [stage(part, write) for part in pending]
        if not rows:
            return
        actors, resources = self._plan()
        context = ray.data.DataContext.get_current()
        # Of what goes on the command's own bar tells.
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context.max_consecutive_actor_init_deaths = MOST_DEATHS
        parts = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            PartEncoder,
            fn_constructor_args=(self._factory, write),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(actors, len(rows))),
            **resources,
        )
        with _ray_errors():
            for batch in parts.iter_batches(batch_size=1, prefetch_batches=0):
                raise_error(batch)
                yield int(batch["rows"][0])

    def _plan(self) -> tuple[int, dict[str, float]]:
        """How many actors, and what each takes; refused where it would wait for ever."""
        import ray

        there = ray.cluster_resources()
        cpus, gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
        use_gpu = gpus > 0 if self._use_gpu is None else self._use_gpu
        room, what = (gpus, "GPUs") if use_gpu else (cpus, "CPUs")
        actors = self._actors or room
        if not 1 <= actors <= room:
            raise InputError(f"{max(actors, 1)} actors need as many {what}; the cluster has {room}")
        return actors, {"num_cpus": 0 if use_gpu else 1, "num_gpus": 1 if use_gpu else 0}


def raise_error(batch: dict[str, np.ndarray]) -> None:
    """Raise what an actor answered instead of encoding.

    Example:
        >>> raise_error({"rows": np.array([4]), "error": np.array([""])})
        >>> raise_error({"rows": np.array([0]), "error": np.array(["InputError: the disk is full"])})
        Traceback (most recent call last):
            ...
        llm2vec_core.errors.InputError: the disk is full
    """
    for text in batch["error"]:
        if text:
            name, _, message = str(text).partition(": ")
            raise getattr(errors, name)(message)


def _probe_of(factory: Factory) -> np.ndarray:
    return factory()([PROBE], lambda *_: None)[0]


@contextmanager
def _ray_errors() -> Iterator[None]:
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        if isinstance(cause := getattr(error, "cause", None), LLM2VecError):
            raise cause from None
        if isinstance(error, ray.exceptions.RayTaskError):
            raise
        raise ModelError(
            f"Ray lost the encoder's processes ({type(error).__name__}: {error!s:.80}). What is encoded is kept; give "
            "the same command again"
        ) from error
