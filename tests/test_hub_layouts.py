"""Loading by Hub id, from a stand-in Hub on this machine: the same libraries, requests and layouts, no network.

The stand-in runs in this process; the loading in another, because the libraries read the Hub's address once, when
they are imported.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, LlamaConfig

from llm2vec_core.encoder import LLM2Vec
from tests.close import assert_close
from tests.stand_in_hub import TOKEN, serving
from tests.tiny_gguf import write_gguf

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "tests" / "data" / "reference"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The stand-in's address; it has a base and the published layouts on it."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(REFERENCE / "models" / "llama", folder / "owner" / "tiny")
    mntp = folder / "McGill-NLP" / "LLM2Vec-tiny-mntp"
    shutil.copytree(REFERENCE / "models" / "llama_with_adapter", mntp)
    shutil.copytree(REFERENCE / "adapters" / "llama_lora2", folder / "McGill-NLP" / "LLM2Vec-tiny-mntp-supervised")
    for adapter in (folder / "McGill-NLP").iterdir():
        file = adapter / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": "owner/tiny"}))
    shutil.copytree(REFERENCE / "models" / "llama", folder / "private" / "tiny")
    (folder / "owner" / "tiny-GGUF").mkdir()
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, head_dim=16,
    )  # fmt: skip
    keys = {"feed_forward_length": 48, "attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1e-6}
    keys |= {"rope.dimension_count": 16}
    gguf = folder / "owner" / "tiny-GGUF" / "tiny.Q8_0.gguf"
    write_gguf(gguf, AutoModelForCausalLM.from_config(config), "llama", keys, quantized=True)
    with serving(folder) as found:
        yield found


SCRIPT = """
import json, sys, numpy as np
from llm2vec_core import LLM2Vec, LLM2VecError
try:
    encoder = LLM2Vec.from_pretrained(sys.argv[1], device="cpu", **json.loads(sys.argv[3]))
    np.save(sys.argv[2], encoder.encode(["A cat sat on the warm windowsill.", "river"]))
except LLM2VecError as error:
    print(type(error).__name__, error)
"""


def load(
    address: str, source: str, tmp_path: Path, options: dict | None = None, **environment: str
) -> tuple[np.ndarray | None, str]:
    out = tmp_path / "out.npy"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    variables = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, source, str(out), json.dumps(options or {})],
        capture_output=True, text=True, cwd=ROOT, env={**clean, **variables, **environment},
    )  # fmt: skip
    assert "Traceback" not in result.stderr, result.stderr[-2000:]
    return (np.load(out) if out.is_file() else None), result.stdout


def test_a_plain_model_and_then_from_the_cache(hub, tmp_path):
    address, requested = hub
    expected = LLM2Vec.from_pretrained(REFERENCE / "models" / "llama", device="cpu").encode(
        ["A cat sat on the warm windowsill.", "river"]
    )
    ours, said = load(address, "owner/tiny", tmp_path)
    assert_close(ours, expected, said=said)
    before = len(requested)
    (tmp_path / "out.npy").unlink()
    offline, said = load(address, "owner/tiny", tmp_path, HF_HUB_OFFLINE="1")
    np.testing.assert_array_equal(offline, ours, err_msg=said)
    assert len(requested) == before


def test_a_published_layout_brings_its_base_and_its_adapters(hub, tmp_path):
    address, _ = hub
    expected = LLM2Vec.from_pretrained(
        REFERENCE / "models" / "llama",
        [REFERENCE / "adapters" / "llama_lora2"],
        device="cpu",
    )
    ours, said = load(address, "McGill-NLP/LLM2Vec-tiny-mntp-supervised", tmp_path)
    texts = ["A cat sat on the warm windowsill.", "river"]
    both = LLM2Vec.from_pretrained(
        REFERENCE / "models" / "llama",
        [REFERENCE / "models" / "llama_with_adapter", REFERENCE / "adapters" / "llama_lora2"],
        device="cpu",
    )
    assert_close(ours, both.encode(texts), said=said)
    assert np.abs(ours - expected.encode(texts)).max() > 1e-3


def test_a_token_opens_a_private_model_and_the_cache_is_where_it_is_asked_for(hub, tmp_path):
    ours, said = load(hub[0], "private/tiny", tmp_path)
    assert ours is None and "no public Hub repository 'private/tiny'" in said
    place = tmp_path / "elsewhere"
    ours, said = load(hub[0], "private/tiny", tmp_path, {"token": TOKEN, "cache_dir": str(place)})
    expected = LLM2Vec.from_pretrained(REFERENCE / "models" / "llama", device="cpu").encode(
        ["A cat sat on the warm windowsill.", "river"]
    )
    assert ours is not None, said
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert list(place.rglob("model.safetensors")) and not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_repository_with_one_gguf_file(hub, tmp_path):
    ours, said = load(hub[0], "owner/tiny-GGUF", tmp_path)
    assert ours is not None, said
    (cached,) = (tmp_path / "cache").rglob("*.gguf")
    expected = LLM2Vec.from_pretrained(cached, device="cpu").encode(["A cat sat on the warm windowsill.", "river"])
    assert_close(ours, expected, said=said)


@pytest.mark.parametrize(
    ("source", "message"),
    [("gated/model", "accept its licence"), ("owner/nothing", "no public Hub repository 'owner/nothing'")],
)
def test_refusals_say_what_to_do(hub, tmp_path, source, message):
    ours, said = load(hub[0], source, tmp_path)
    assert ours is None
    assert said.startswith("ModelError") and message in said
