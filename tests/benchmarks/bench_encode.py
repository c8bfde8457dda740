"""Encoding speed beside two other encoders, in one run: ``make bench``.

    python -m tests.benchmarks.bench_encode [--model bundled|14m] [--rounds 6] [--threads 2]

Same weights, same 1,000 texts, same threads, mean pooling, causal on all sides (sentence-transformers
reads a plain decoder causally), batches of 32 texts for the others, our own defaults for us. All take
turns, so that a busy machine hurts all; the first turn of each is not counted.

The published package needs old libraries, so it runs in a process of its own, if ``LLM2VEC_PYTHON``
names a Python that has it (llm2vec 0.2.3, transformers 4.44.2, peft 0.12.0, numpy below 2).

Share of the peak. Work is what the *real* tokens need, padding not counted: two operations for each
weight of a linear layer, and two products of each token with every token of its text in each layer's
attention (the half that a causal mask hides is not counted). Norms, rotations, softmax, tokenising and
Python count as no work at all. The peak is the rate of a bare matrix product, measured between the
rounds at each shape of the model's linear layers for 1,024 tokens, and averaged as the model's work is.
It is given for both libraries inside PyTorch: MKL, which ``torch.nn.functional.linear`` calls, and
oneDNN, which :func:`llm2vec_core.acceleration.accelerate` calls.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED

TEXTS = 1000
BATCH_SIZE = 32
PEAK_TOKENS = 1024
LLAMA_14M = LlamaConfig(
    vocab_size=8192,
    hidden_size=384,
    intermediate_size=1024,
    num_hidden_layers=6,
    num_attention_heads=6,
    num_key_value_heads=6,
    max_position_embeddings=512,
    tie_word_embeddings=True,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
OURS, OURS_INT8, PEER, PUBLISHED = "ours, float32", "ours, int8", "sentence-transformers", "published llm2vec"
Run = Callable[[], float]


def texts() -> list[str]:
    """1,000 texts of 3 to 340 words (median 23), cut from the bundled ones strung together."""
    pool = [p.text for p in passages()] + [q.query for q in queries()]
    pool += [s for pair in sentence_pairs() for s in (pair.sentence1, pair.sentence2)]
    random = np.random.default_rng(0)
    result = []
    for length in random.lognormal(np.log(25), 1.08, TEXTS).clip(3, 340).astype(int):
        words: list[str] = []
        while len(words) < length:
            words += pool[random.integers(len(pool))].split()
        result.append(" ".join(words[:length]))
    return result


def write_model(name: str, folder: Path) -> None:
    """Put the weights that everybody loads into a folder, as float32."""
    if name == "14m":
        torch.manual_seed(0)
        model = LlamaForCausalLM(LLAMA_14M)
    else:
        model = AutoModelForCausalLM.from_pretrained(BUNDLED.base, dtype=torch.float32)
    model.save_pretrained(folder)
    # Copied, not saved: today's transformers names a tokenizer class that older ones do not know.
    for file in Path(BUNDLED.base).glob("tokenizer*.json"):
        shutil.copy(file, folder)


def timed(run: Callable[[], object]) -> Run:
    def seconds() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return seconds


def published(python: str, folder: Path, data: list[str], threads: int) -> Run:
    """Start the published package's process; each call is one pass over the texts, timed over there."""
    texts_file = folder / "texts.json"
    texts_file.write_text(json.dumps(data), encoding="utf-8")
    worker = subprocess.Popen(
        [python, Path(__file__).with_name("published_worker.py"), folder, texts_file, str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if worker.stdout.readline().strip() != "ready":
        raise RuntimeError(f"{PUBLISHED} does not run under LLM2VEC_PYTHON={python}")

    def seconds() -> float:
        worker.stdin.write("go\n")
        worker.stdin.flush()
        return float(worker.stdout.readline())

    return seconds


def linear_shapes(model: nn.Module) -> Counter[tuple[int, int]]:
    """How many linear layers of each (in, out) a token passes."""
    return Counter((m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear))


def operations(model: nn.Module, lengths: np.ndarray) -> float:
    """Floating-point operations of the matrix products that these texts need (see the top of the file)."""
    linear = 2 * sum(i * o * n for (i, o), n in linear_shapes(model).items())
    config = model.config
    attention = 2 * 2 * config.num_hidden_layers * config.num_attention_heads * config.head_dim
    return float(linear * lengths.sum() + attention * (lengths * (lengths + 1) // 2).sum())


@torch.inference_mode()
def peak(model: nn.Module, product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
    """Operations per second of a bare matrix product at the model's shapes, weighted by its work."""
    work = spent = 0.0
    for (width_in, width_out), count in linear_shapes(model).items():
        x, weight = torch.randn(PEAK_TOKENS, width_in), torch.randn(width_out, width_in)
        product(x, weight)
        seconds = statistics.median(timed(lambda x=x, weight=weight: product(x, weight))() for _ in range(30))
        work += count * 2 * PEAK_TOKENS * width_in * width_out
        spent += count * seconds
    return work / spent


def onednn_product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def main() -> int:
    """Print the table; 1 if our embeddings differ from the peer's by more than 1e-5."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("bundled", "14m"), default="14m")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = texts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(options.model, folder)
        ours = LLM2Vec.from_pretrained(folder, bidirectional=False, device="cpu")
        int8 = LLM2Vec(ours.causal_model, ours.tokenizer, bidirectional=False, precision="int8")
        module = Transformer(name, max_seq_length=ours.max_length, model_kwargs={"dtype": torch.float32})
        peer = SentenceTransformer(modules=[module, Pooling(module.get_embedding_dimension(), "mean")], device="cpu")
        runs: dict[str, Run] = {
            OURS: timed(lambda: ours.encode(data)),
            OURS_INT8: timed(lambda: int8.encode(data)),
            PEER: timed(lambda: peer.encode(data, batch_size=BATCH_SIZE)),
        }
        if python := os.environ.get("LLM2VEC_PYTHON"):
            runs[PUBLISHED] = published(python, folder, data, options.threads)
        expected = peer.encode(data, batch_size=BATCH_SIZE)
        differences = {
            OURS: difference(ours.encode(data), expected),
            OURS_INT8: difference(int8.encode(data), expected),
        }
        times, peaks = measure(ours.causal_model, runs, options.rounds)
    lengths = np.array([len(row.input_ids) for row in ours.tokenize(data)])
    words = int(np.median([len(text.split()) for text in data]))
    print(
        f"{options.model}, {TEXTS} texts, {lengths.sum():,} tokens, median {words} words, {options.threads} threads, "
        f"torch {torch.__version__}, medians of {options.rounds} rounds\n"
    )
    print(table(times, peaks, differences, lengths.sum(), operations(ours.causal_model, lengths)))
    return int(differences[OURS][0] > 1e-5)


def difference(embeddings: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Largest absolute difference, and the lowest cosine of a text's two embeddings."""
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (embeddings * expected).sum(axis=1) / lengths
    return float(np.abs(embeddings - expected).max()), float(cosines.min())


def measure(model: nn.Module, runs: dict[str, Run], rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Take turns; return seconds by encoder, and the median rate of a bare product by library."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    rates: dict[str, list[float]] = {"MKL": [], "oneDNN": []}
    for run in runs.values():
        run()
    for _ in range(rounds):
        rates["MKL"].append(peak(model, nn.functional.linear))
        rates["oneDNN"].append(peak(model, onednn_product))
        for name, run in runs.items():
            times[name].append(run())
    return times, {name: statistics.median(values) for name, values in rates.items()}


def table(
    times: dict[str, list[float]],
    peaks: dict[str, float],
    differences: dict[str, tuple[float, float]],
    tokens: int,
    work: float,
) -> str:
    """The result as a markdown table. Ratios are medians of the rounds' own ratios."""

    def ratio(name: str, to: str) -> str:
        if to not in times:
            return "not run"
        return f"{statistics.median(b / a for a, b in zip(times[name], times[to], strict=True)):.2f}x"

    columns = ["encoder", "tokens/s", "seconds (spread)", "to sentence-tr.", "to published"]
    columns += [f"share of {name} peak" for name in peaks] + ["largest difference", "lowest cosine"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name, values in times.items():
        median = statistics.median(values)
        cells = [name, f"{tokens / median:,.0f}", f"{median:.2f} ({min(values):.2f} to {max(values):.2f})"]
        cells += [ratio(name, PEER), ratio(name, PUBLISHED)]
        # An int8 product has a peak of its own, so a share of the float32 one would flatter.
        cells += ["" if name == OURS_INT8 else f"{work / median / rate:.0%}" for rate in peaks.values()]
        cells += [f"{differences[name][0]:.1e}", f"{differences[name][1]:.6f}"] if name in differences else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    rates = ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in peaks.items())
    return "\n".join([*lines, "", f"bare matrix product at the model's shapes: {rates}; work {work / 1e12:.2f} TFLOP"])


if __name__ == "__main__":
    sys.exit(main())
