"""An export as GGUF by llama.cpp's own converter, embedded by llama.cpp. Oracle: the encoder itself. Run by ``make compat``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from llm2vec_core.encoder import LLM2Vec

CONVERTER = Path(sys.prefix) / "llama.cpp" / "convert_hf_to_gguf.py"
TEXTS = [
    "The bank was steep and muddy.",
    "The bank was robbed at noon.",
    "In 1921 the river rose by 3.5 metres (a record), and 12,000 people in the valley put bags of sand before their doors.",
]


@pytest.fixture(scope="module")
def encoder() -> LLM2Vec:
    return LLM2Vec.from_preset("smollm2")


@pytest.fixture(scope="module")
def file(encoder, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("gguf")
    # Otherwise the lone blank is named as special for prompts, and llama.cpp loses it in front of digits.
    encoder.with_settings(skip_instruction=False).export_sentence_transformers(place / "model")
    out = place / "model.gguf"
    command = [sys.executable, str(CONVERTER), str(place / "model"), "--outtype", "f32", "--outfile", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def embedded(file: Path, attention: int = llama_cpp.LLAMA_ATTENTION_TYPE_UNSPECIFIED) -> np.ndarray:
    """One text after another. The file does not say how to pool, and a text has to fit into one batch."""
    model = llama_cpp.Llama(
        str(file),
        embedding=True,
        pooling_type=llama_cpp.LLAMA_POOLING_TYPE_MEAN,
        attention_type=attention,
        n_ctx=512,
        n_batch=512,
        n_ubatch=512,
        verbose=False,
    )
    return np.array([model.embed(text) for text in TEXTS])


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.process
def test_llama_cpp_gives_our_vectors_for_the_file_says_that_the_mask_is_open(file, encoder):
    ours = encoder.encode(TEXTS)
    assert cosines(embedded(file), ours).min() > 0.9999
    # So the mask was open: with a causal one it gives the causal vectors.
    causal = encoder.view(bidirectional=False).encode(TEXTS)
    found = embedded(file, llama_cpp.LLAMA_ATTENTION_TYPE_CAUSAL)
    assert cosines(found, causal).min() > 0.9999
    assert cosines(found, ours).max() < 0.99
