"""Embeddings and models as files. No gradio here."""

from __future__ import annotations

import importlib.util
import io
import tempfile
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from llm2vec_core.batching import clean_text
from llm2vec_core.corpus.outputs import OUTPUTS, embedding_table
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.extras import require
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.protocol import encode_in_pieces
from llm2vec_core.settings import Precision
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.downloads import folder_for_download, offer, safe_name
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.user_texts import Texts
from llm2vec_core.ui.zero_gpu import loan_seconds, on_lent_gpu

FORMATS = {"parquet": ".parquet", "npy": ".npy", "csv": ".csv"}
# Between two pieces the page hears how far it is, and whether it should stop. With SmolLM2 on one core 256 texts took
# 17 s, 32 take 3 to 7 s, for 4 to 14 % more processor time in two runs on a busy machine.
PIECE_TEXTS = 32


@dataclass(frozen=True)
class Order:
    """How a file of embeddings is to be made.

    Attributes:
        encoder: key of a stage, a baseline, or "own".
        pooling: key of :data:`llm2vec_core.pooling.POOLING_MODES`.
        instruction: prepended to each text; empty for none.
        normalize: whether each embedding is scaled to length 1.
        precision: of :data:`llm2vec_core.settings.Precision`.
        kind: key of :data:`FORMATS`.

    Raises:
        InputError: for a value that is none of these.
    """

    encoder: str
    pooling: str = "mean"
    instruction: str = ""
    normalize: bool = True
    precision: str = "full"
    kind: str = "parquet"

    def __post_init__(self) -> None:
        # An untouched field of the page arrives as None.
        object.__setattr__(self, "instruction", self.instruction or "")
        for name, value, known in (
            ("pooling", self.pooling, POOLING_MODES),
            ("precision", self.precision, get_args(Precision)),
            ("format", self.kind, FORMATS),
        ):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}; choose one of {', '.join(known)}")


@dataclass(frozen=True)
class Made:
    """A file that is ready.

    Attributes:
        path: where :class:`gradio.DownloadButton` finds it.
        rows: texts in it.
        dimensions: of an embedding.
        bytes: its size.
    """

    path: str
    rows: int
    dimensions: int
    bytes: int


def encoder_for(context: AppContext, session: Session, order: Order) -> Any:
    """The encoder of an order.

    Raises:
        InputError: if it cannot be had in this way.
    """
    found = session.encoder_for(order.encoder, context)
    if isinstance(found, LLM2Vec):
        return found.with_settings(precision=order.precision)
    label = session.choice(order.encoder, context).label
    if order.precision != "full":
        raise InputError(f"{label} has no matrix products that fewer bits could speed up: choose float32.")
    if order.pooling != "mean":
        raise InputError(f"{label} supports mean pooling only: choose {'mean'!r}.")
    return found


def embed(context: AppContext, session: Session, texts: Texts, order: Order) -> Generator[int | Made, None, None]:
    """Embed texts into a file.

    Args:
        context: of the visitor's model.
        session: whose.
        texts: at most as many as the limits allow.
        order: how.

    Yields:
        How many texts are done, again and again; at the end what was made.

    Raises:
        InputError: for too many texts, or an order that cannot be met.
    """
    limits = context.limits
    if len(texts) > limits.user_texts:
        raise InputError(f"{len(texts):,} texts are too many for one file; the limit is {limits.user_texts:,}.")
    instruction = clean_text(order.instruction).strip()
    if len(instruction) > limits.text_characters:
        raise InputError(
            f"The instruction has {len(instruction):,} characters; the limit is {limits.text_characters:,}."
        )
    encoder = encoder_for(context, session, order)
    how: dict[str, Any] = {"normalize": bool(order.normalize)}
    if isinstance(encoder, LLM2Vec):
        how["pooling_mode"] = order.pooling
    yield 0
    # Fewer bits are a matter of processors.
    seconds = loan_seconds([encoder], texts.texts) if order.precision == "full" else 0
    vectors = yield from on_lent_gpu(
        lambda: encode_in_pieces(
            lambda piece: encoder.encode(piece, instruction or None, **how), texts.texts, PIECE_TEXTS
        ),
        [encoder],
        seconds,
    )
    settings = {"model": context.preset.label, "encoder": order.encoder, "instruction": instruction, **how}
    yield write(texts, vectors, order, {**settings, "precision": order.precision})


def file_size(size: int) -> str:
    """Bytes, for people.

    Example:
        >>> file_size(999), file_size(1_500_000)
        ('999 bytes', '1.5 MB')
    """
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def write(texts: Texts, vectors: np.ndarray, order: Order, settings: dict[str, Any]) -> Made:
    """A file of texts, labels (if there are any) and embeddings, ready for download."""
    table = embedding_table(0, list(texts.texts), vectors)
    if texts.labels is not None:
        table = table.add_column(2, "label", [list(texts.labels)])
    stem = Path(texts.name).stem or "texts"
    path = folder_for_download() / safe_name(f"{stem}-{order.encoder}{FORMATS[order.kind]}")
    with path.open("wb") as file:
        OUTPUTS[FORMATS[order.kind]](file, [table], len(vectors), settings)
    return Made(str(path), len(vectors), vectors.shape[1], path.stat().st_size)


def can_export() -> bool:
    """Whether the optional package of the export is installed."""
    return importlib.util.find_spec("sentence_transformers") is not None


def export(context: AppContext, session: Session, key: str) -> str:
    """A stage as a zipped sentence-transformers folder, compared with ours before it is handed over.

    Returns:
        The zip's path.

    Raises:
        MissingPackageError: if sentence-transformers is not installed.
        InputError: for another model than the bundled one (too large to hand out), or an encoder that is none.
        ExportError: if sentence-transformers would read the model otherwise than we do.
    """
    require("export", "sentence_transformers", what="The export")
    if not context.preset.bundled:
        name = context.preset.key.removeprefix("hub:")
        stage = "" if name == context.preset.base else f":{key}"
        raise InputError(
            f"Only LLM2Vec-mini can be downloaded here; a folder of {context.preset.label} would take "
            f"{context.preset.parameters * 4 / 1e6:,.0f} MB. Create it on your machine: python -m llm2vec_core convert "
            f"{name}{stage} --out my-encoder --format sentence-transformers"
        )
    encoder = session.encoder_for(key, context)
    if not isinstance(encoder, LLM2Vec):
        raise InputError("Static token embeddings are not a transformer; choose a stage.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / f"llm2vec-mini-{key}"
        encoder.export_sentence_transformers(folder)
        return offer(f"{folder.name}.zip", zipped(folder, sorted(folder.rglob("*"))))


def zipped(folder: Path, files: Sequence[Path]) -> bytes:
    """Files of a folder as a zip with the folder's name in front."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            if file.is_file():
                archive.write(file, Path(folder.name) / file.relative_to(folder))
    return packed.getvalue()
