"""Small models and the bundled one, shared by all tests. Nothing here touches the network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# One thread a process, read when torch and numpy are imported: tests, and the servers they start, run side by side, and
# the threads of two processes that share a core spend their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import copy
import gc
import subprocess
import sys
from collections import Counter
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Imported where they are used: who hands out the tests to the workers needs neither, and all wait for it.
if TYPE_CHECKING:
    from transformers import LlamaModel

    from llm2vec_core.encoder import LLM2Vec

# Nothing that is imported for collecting the tests is garbage; see pytest_collection_finish.
gc.disable()

ROOT = Path(__file__).resolve().parent.parent

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}

# Which of the two roads is faster is measured, and a busy machine answers now this, now that. Their numbers differ in
# the last digits, and tests compare encoders bit by bit: all of them take the same road, unless a test chooses its own.
ONEDNN_IS_FASTER = True

MANY_TYPES = 50


def tiny_llama(seed: int = 0, **changes) -> LlamaModel:
    import torch
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(seed)
    settings = {**SMALL, "initializer_range": 0.3, "tie_word_embeddings": True, **changes}
    return LlamaModel(LlamaConfig(**settings)).eval()


def parameters(item: pytest.Item) -> dict:
    return item.callspec.params if hasattr(item, "callspec") else {}


def function_of(item: pytest.Item) -> tuple[Path, str | None]:
    """The test function of one of its cases."""
    return item.path, getattr(item, "originalname", None)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """Say what each test needs (``browser``, a ``process`` of its own, ``every_type``), and which share a worker.

    A file stays on one worker, so that what its tests share is made once (each worker has a server and a browser). The
    browser tests go first because they take longest, before those that share the bundled texts' embeddings.
    """
    groups: dict[pytest.Item, str] = {}
    turns: dict[pytest.Item, int] = {}
    types = Counter(function_of(item) for item in items if "model_type" in parameters(item))
    for item in items:
        needed, file = set(getattr(item, "fixturenames", ())), item.path.relative_to(ROOT).as_posix()
        if needed & {"browser", "server"}:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.process)
            groups[item], turns[item] = f"browser: {file}", 0
        else:
            groups[item], turns[item] = ("context", 1) if "context" in needed else (file, 2)
        if types[function_of(item)] >= MANY_TYPES:
            item.add_marker(pytest.mark.every_type)
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=turns.__getitem__)


def pytest_collection_finish(session):
    """Workers of pytest-xdist read a test's group in its id. Version 3.8 writes it where pytest 9.2 no longer looks."""
    gc.freeze()
    gc.enable()
    if getattr(session.config.option, "loadgroup", False) and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError("the groups of the tests do not reach pytest-xdist")


@pytest.fixture(autouse=True, scope="module")
def short_collections():
    """What is there before a file's tests stays out of collections, as in a server what is there before visitors.

    Every training run collects garbage: with all modules and tests to look through, that took a fifth of a quick run.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_unannounced_process(request, monkeypatch):
    """`make test-fast` starts no second Python: a test that does so without saying it fails."""
    if request.node.get_closest_marker("process") is None:
        start = subprocess.Popen.__init__

        def checked(self, command, *args, **options):
            if sys.executable in command:
                pytest.fail("this test starts a process: mark it with @pytest.mark.process")
            start(self, command, *args, **options)

        monkeypatch.setattr(subprocess.Popen, "__init__", checked)


@pytest.fixture(autouse=True)
def as_many_threads():
    """A test that changes how many threads torch computes with changes it back: all after it would fight for cores."""
    import torch

    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


@pytest.fixture(scope="session", autouse=True)
def one_road():
    """No encoder of these tests depends on the measurement."""
    from llm2vec_core import encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "onednn_is_faster", lambda: ONEDNN_IS_FASTER)
        yield


@pytest.fixture
def tiny_model() -> LlamaModel:
    return tiny_llama()


@pytest.fixture(scope="session")
def bundled() -> LLM2Vec:
    """The bundled base, bidirectional and untrained. Tests must not change it."""
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.presets import BUNDLED

    return LLM2Vec.from_pretrained(BUNDLED.base)


@pytest.fixture(scope="session")
def bundled_causal(bundled) -> LLM2Vec:
    return bundled.view(bidirectional=False)


@pytest.fixture(scope="session")
def loaded() -> dict[str, LLM2Vec]:
    return {}


@pytest.fixture
def bundled_models_load_once(loaded, monkeypatch):
    """Who loads a bundled encoder gets a copy of one that is loaded already: loading has tests of its own."""
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.presets import ASSETS

    load = LLM2Vec.from_pretrained.__func__

    @wraps(load)
    def from_pretrained(cls, source, adapters=(), **options):
        names = [source, *([adapters] if isinstance(adapters, (str, Path)) else adapters)]
        if not all(Path(name).resolve().is_relative_to(ASSETS) for name in names):
            return load(cls, source, adapters, **options)
        key = repr((*map(str, names), sorted(options.items())))
        if key not in loaded:
            loaded[key] = load(cls, source, adapters, **options)
        return copy.deepcopy(loaded[key])

    monkeypatch.setattr(LLM2Vec, "from_pretrained", classmethod(from_pretrained))


@pytest.fixture(scope="session")
def smollm2():
    """The encoder of a stage of SmolLM2, by its key; all share one set of weights."""
    from llm2vec_core.presets import SMOLLM2
    from llm2vec_core.stages import StagedModel

    model = StagedModel(SMOLLM2)
    return cache(model.encoder)
