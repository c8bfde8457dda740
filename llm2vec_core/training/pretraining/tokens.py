"""Turn parquet documents into one flat file of token ids that a training loop can slice.

Each paragraph opens with ``<s>`` and each document closes with ``</s>``: so the model meets, while it
learns, the very shape in which sentences are encoded later (``<s>`` and one passage).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from llm2vec_core.training.pretraining.tokenizer import EOS

MIN_PARAGRAPH_CHARACTERS = 60


def read_documents(files: list[Path]) -> Iterator[str]:
    """Yield the ``text`` column of parquet files, one document at a time."""
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=512, columns=["text"]):
            yield from batch.column("text").to_pylist()


def split_paragraphs(document: str, min_characters: int = MIN_PARAGRAPH_CHARACTERS) -> list[str]:
    r"""Split a document at line ends; short lines (titles, headings) join the paragraph below them.

    Example:
        >>> split_paragraphs("Rivers\nA river is water that flows.", min_characters=10)
        ['Rivers: A river is water that flows.']
    """
    paragraphs: list[str] = []
    head = ""
    for line in document.split("\n"):
        text = line.strip()
        if not text:
            continue
        text = f"{head}: {text}" if head else text
        if len(text) < min_characters:
            head = text
        else:
            paragraphs.append(text)
            head = ""
    return paragraphs


def tokenize_documents(documents: Iterator[str], tokenizer: Tokenizer, chunk: int = 512) -> np.ndarray:
    """Tokenise documents into one stream.

    Returns:
        uint16 ids of shape (tokens,): ``<s> paragraph <s> paragraph </s> <s> ...``.

    Raises:
        ValueError: if the vocabulary does not fit into uint16.
    """
    if tokenizer.get_vocab_size() > np.iinfo(np.uint16).max:
        raise ValueError(f"vocabulary of {tokenizer.get_vocab_size()} does not fit into uint16 (at most 65,535)")
    eos = np.array([tokenizer.token_to_id(EOS)], dtype=np.uint16)
    parts: list[np.ndarray] = []

    def flush(pending: list[str], ends: list[int]) -> None:
        encodings = tokenizer.encode_batch_fast(pending)
        last = set(ends)
        for i, encoding in enumerate(encodings):
            parts.append(np.asarray(encoding.ids, dtype=np.uint16))
            if i in last:
                parts.append(eos)

    pending: list[str] = []
    ends: list[int] = []
    for document in documents:
        paragraphs = split_paragraphs(document)
        if not paragraphs:
            continue
        pending.extend(paragraphs)
        ends.append(len(pending) - 1)
        if len(ends) == chunk:
            flush(pending, ends)
            pending, ends = [], []
    if pending:
        flush(pending, ends)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint16)
