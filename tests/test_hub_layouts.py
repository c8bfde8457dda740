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
from gguf import GGMLQuantizationType
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
    file = folder / "owner" / "tiny-GGUF" / "tiny.Q8_0.gguf"
    model = AutoModelForCausalLM.from_config(config)
    write_gguf(file, model, "llama", keys, kinds=[GGMLQuantizationType.Q8_0])
    with serving(folder) as found:
        yield found


TEXTS = ["A cat sat on the warm windowsill.", "river"]
SOURCES = (
    "owner/tiny", "McGill-NLP/LLM2Vec-tiny-mntp-supervised", "owner/tiny-GGUF", "private/tiny", "gated/model",
    "owner/nothing",
)  # fmt: skip
SCRIPT = f"""
import json, sys
from llm2vec_core import LLM2Vec, LLM2VecError
for source, options in json.loads(sys.argv[1]):
    try:
        found = LLM2Vec.from_pretrained(source, device="cpu", **options).encode({TEXTS}).tolist()
    except LLM2VecError as error:
        found = f"{{type(error).__name__}} {{error}}"
    print(json.dumps(found))
"""


def load(address: str, cache: Path, *sources: tuple[str, dict], **environment: str) -> list[np.ndarray | str]:
    """Load by Hub id, in order, in one fresh process: what each source encodes TEXTS to, or why it is refused."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    variables = {"HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(sources)],
        capture_output=True, text=True, cwd=ROOT, env={**clean, **variables, **environment},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    assert "Traceback" not in result.stderr, result.stderr[-2000:]
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == len(sources)
    return [answer if isinstance(answer, str) else np.array(answer, dtype=np.float32) for answer in answers]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def loaded(hub, cache, elsewhere) -> dict[str, np.ndarray | str]:
    """All sources as they are; and "with a token", which is the private one with its token and a cache of its own."""
    options = {"token": TOKEN, "cache_dir": str(elsewhere)}
    answers = load(hub[0], cache, *[(source, {}) for source in SOURCES], ("private/tiny", options))
    return dict(zip((*SOURCES, "with a token"), answers, strict=True))


def local(name: str, *adapters: str) -> np.ndarray:
    models = REFERENCE / "models"
    return LLM2Vec.from_pretrained(models / name, [REFERENCE / a for a in adapters], device="cpu").encode(TEXTS)


def test_a_plain_model_and_then_from_the_cache(hub, loaded, cache):
    address, requested = hub
    assert_close(loaded["owner/tiny"], local("llama"))
    before = len(requested)
    (offline,) = load(address, cache, ("owner/tiny", {}), HF_HUB_OFFLINE="1")
    np.testing.assert_array_equal(offline, loaded["owner/tiny"])
    assert len(requested) == before


def test_a_published_layout_brings_its_base_and_its_adapters(loaded):
    ours = loaded["McGill-NLP/LLM2Vec-tiny-mntp-supervised"]
    assert_close(ours, local("llama", "models/llama_with_adapter", "adapters/llama_lora2"))
    assert np.abs(ours - local("llama", "adapters/llama_lora2")).max() > 1e-3


def test_a_token_opens_a_private_model_and_the_cache_is_where_it_is_asked_for(loaded, cache, elsewhere):
    assert isinstance(loaded["with a token"], np.ndarray), loaded["with a token"]
    assert_close(loaded["with a token"], local("llama"), tolerance=1e-6)
    assert list(elsewhere.rglob("model.safetensors"))
    assert list(cache.rglob("models--owner--tiny/**/model.safetensors"))
    assert not list(cache.rglob("models--private--tiny/**/*.safetensors"))


def test_a_repository_with_one_gguf_file(loaded, cache):
    assert isinstance(loaded["owner/tiny-GGUF"], np.ndarray), loaded["owner/tiny-GGUF"]
    (file,) = cache.rglob("*.gguf")
    assert_close(loaded["owner/tiny-GGUF"], LLM2Vec.from_pretrained(file, device="cpu").encode(TEXTS))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gated/model", "accept its licence"),
        ("owner/nothing", "no public Hub repository 'owner/nothing'"),
        ("private/tiny", "no public Hub repository 'private/tiny'"),
    ],
)
def test_refusals_say_what_to_do(loaded, source, message):
    said = loaded[source]
    assert isinstance(said, str) and said.startswith("ModelError") and message in said
