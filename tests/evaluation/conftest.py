"""Embeddings that both sides get, ours and mteb's."""

from __future__ import annotations

import zlib
from pathlib import Path

import mteb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mteb.models.model_meta import ModelMeta

from llm2vec_core.evaluation.mteb_adapter import MTEBEncoder

ABOUT = {
    "description": "A few texts.",
    "dataset": {"path": "none", "revision": "none"},
    "eval_langs": ["eng-Latn"],
}
SUBJECTS = ("river", "money", "stars", "bread", "music")


class Known:
    """An encoder that knows a vector for each text: part its first word's, part its own."""

    hidden_size = 24

    def encode(self, texts, instruction=None, **_):
        return np.stack([self._vector(text) for text in texts]).astype(np.float32)

    def _vector(self, text: str) -> np.ndarray:
        draw = [np.random.default_rng(zlib.crc32(part.encode())).normal(size=24) for part in (text.split()[0], text)]
        return draw[0] + 1.5 * draw[1] + 0.3


@pytest.fixture(scope="session")
def known() -> Known:
    return Known()


@pytest.fixture(scope="session")
def by_mteb():
    """Evaluate an in-memory task of mteb's own classes with the same embeddings."""

    def evaluate(task) -> dict:
        model = MTEBEncoder(Known(), {}, ModelMeta.create_empty({"name": "a/known", "revision": "1"}))
        result = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
        (scores,) = result.task_results[0].scores["test"]
        return scores

    return evaluate


@pytest.fixture
def write(tmp_path):
    """Write a set; the folder comes back."""

    def put(name: str, **columns) -> Path:
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        return tmp_path

    return put
