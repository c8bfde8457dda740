"""Encoding speed as a ratio against sentence-transformers, in one run: ``make bench``.

Same weights, same texts, same threads, causal on both sides (sentence-transformers reads a plain decoder
causally), mean pooling, float32. The two take turns, so that a busy machine hurts both.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED

ROUNDS = 5
TEXTS = 1000
BATCH_SIZE = 32


def texts() -> list[str]:
    """1,000 texts of mixed length from the bundled ones, in a fixed shuffled order."""
    pool = [p.text for p in passages()] + [q.query for q in queries()]
    pool += [s for pair in sentence_pairs() for s in (pair.sentence1, pair.sentence2)]
    order = np.random.default_rng(0).choice(len(pool), TEXTS, replace=len(pool) < TEXTS)
    return [pool[i] for i in order]


def seconds(run) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> int:
    """Print tokens per second of both and their ratio; 1 if the embeddings differ."""
    torch.set_num_threads(2)
    ours = LLM2Vec.from_pretrained(BUNDLED.base, bidirectional=False)
    module = Transformer(BUNDLED.base, max_seq_length=ours.max_length, model_kwargs={"dtype": torch.float32})
    peer = SentenceTransformer(modules=[module, Pooling(module.get_embedding_dimension(), "mean")], device="cpu")
    data = texts()
    tokens = sum(len(row.input_ids) for row in ours.tokenize(data))
    difference = float(np.abs(ours.encode(data[:64]) - peer.encode(data[:64], batch_size=BATCH_SIZE)).max())
    times: dict[str, list[float]] = {"llm2vec_core": [], "sentence-transformers": []}
    for _ in range(ROUNDS):
        times["llm2vec_core"].append(seconds(lambda: ours.encode(data)))
        times["sentence-transformers"].append(seconds(lambda: peer.encode(data, batch_size=BATCH_SIZE)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:22s} {tokens / median:8,.0f} tokens/s  (median of {ROUNDS}: {median:.2f} s, {tokens:,} tokens)")
    print(
        f"ratio {medians['sentence-transformers'] / medians['llm2vec_core']:.2f}, largest difference {difference:.1e}"
    )
    return int(difference > 1e-4)


if __name__ == "__main__":
    sys.exit(main())
