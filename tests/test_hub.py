"""What would be uploaded, word for word, and what is said when it cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import filter_repo_objects

from llm2vec_core import hub
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import ExportError, HubError, InputError
from llm2vec_core.hub import CardFacts, push_to_hub, write_model_card
from tests.close import assert_close

PROMPTS = {"query": "Given a question, find texts that answer it:"}
FACTS = CardFacts(license="cc-by-sa-4.0", base_model="someone/mini", language=("en",), description="Made on a train.")


class FakeApi:
    """Remembers what the Hub would have been sent."""

    def __init__(self):
        self.calls, self.files, self.failing = [], {}, {}

    def __call__(self, token=None):
        self.calls.append(("token", token))
        return self

    def _note(self, name, *values):
        self.calls.append((name, *values))
        if name in self.failing:
            raise self.failing[name]

    def whoami(self):
        self._note("whoami")

    def create_repo(self, repo_id, *, private, exist_ok):
        self._note("create_repo", repo_id, private, exist_ok)

    def upload_folder(self, *, repo_id, folder_path, commit_message, delete_patterns):
        self._note("upload_folder", repo_id, commit_message)
        self.delete_patterns = delete_patterns
        folder = Path(folder_path)
        self.files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/1")

    def names(self):
        return [call[0] for call in self.calls]


@pytest.fixture
def api(monkeypatch):
    fake = FakeApi()
    monkeypatch.setattr(hub, "HfApi", fake)
    return fake


def refusal(status: int, message: str = "") -> HfHubHTTPError:
    response = SimpleNamespace(headers={}, status_code=status, request=None)
    return HfHubHTTPError(message, response=response, server_message=message)


def code_blocks(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


def test_what_is_uploaded_is_the_encoder(bundled, api, tmp_path):
    from sentence_transformers import SentenceTransformer

    url = push_to_hub(bundled, "me/mini", prompts=PROMPTS, facts=FACTS, token="hf_secret", commit_message="First")
    assert url == "https://huggingface.co/me/mini/commit/1"
    assert api.calls == [
        ("token", "hf_secret"),
        ("whoami",),
        ("create_repo", "me/mini", True, True),
        ("upload_folder", "me/mini", "First"),
    ]
    # What an earlier upload left and this one does not bring is taken away; what is not a model's stays.
    gone = filter_repo_objects(["model-00001-of-00002.safetensors", "notes.txt"], allow_patterns=api.delete_patterns)
    assert list(gone) == ["model-00001-of-00002.safetensors"]
    for name, content in api.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
        assert b"hf_secret" not in content
    texts = ["A river bank.", "The bank lent them money."]
    exported = SentenceTransformer(str(tmp_path), device="cpu").encode_query(texts)
    assert_close(exported, bundled.encode(texts, PROMPTS["query"]))


def test_our_own_format(bundled, api, tmp_path):
    push_to_hub(bundled, "me/mini", format="llm2vec", private=False)
    assert ("create_repo", "me/mini", False, True) in api.calls
    assert {"config.json", "tokenizer.json", "README.md"} <= set(api.files) and "modules.json" not in api.files
    card = api.files["README.md"].decode()
    assert "sentence_transformers" not in card and ModelCard(card).data.library_name == "llm2vec_core"


def test_the_front_matter_is_what_the_hub_reads(bundled, tmp_path):
    data = ModelCard.load(write_model_card(bundled, tmp_path, repo_id="me/mini", facts=FACTS)).data
    assert (data.library_name, data.pipeline_tag) == ("sentence-transformers", "sentence-similarity")
    assert {"sentence-transformers", "llm2vec"} <= set(data.tags)
    assert (data.base_model, data.license, data.language) == ("someone/mini", "cc-by-sa-4.0", ["en"])
    # What nobody said is left out, not made up.
    plain = ModelCard.load(write_model_card(bundled, tmp_path, repo_id="me/mini")).data
    assert plain.license is None and plain.base_model is None and plain.language is None


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_card_tells_what_was_measured(bundled, bidirectional, tmp_path):
    encoder = bundled.with_settings(bidirectional=bidirectional, max_length=77, pooling_mode="weighted_mean")
    card = write_model_card(encoder, tmp_path, repo_id="me/mini", facts=FACTS, notes=("told in passing",)).read_text()
    report = encoder.prefix_test()
    assert f"| {report.end_to_end:.3g} |" in card and f"(of {len(report.layers)}) | {min(report.layers):.3g} |" in card
    assert ("reads **bidirectionally**" in card) is bidirectional
    assert ("reads **causally**" in card) is not bidirectional
    for told in (
        "# mini",
        "10,227,072 parameters",
        "77 tokens",
        "weighted_mean",
        "Made on a train.",
        "- Told in passing.",
    ):
        assert told in card


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sentence-transformers", {"prompts": PROMPTS}),
        ("sentence-transformers", {"prompts": PROMPTS, "normalize": True}),
        ("llm2vec", {}),
        ("llm2vec", {"prompts": PROMPTS, "normalize": True}),
    ],
)
@pytest.mark.parametrize("pooling_mode", ["mean", "last_token"])
def test_the_cards_code_runs_and_gives_our_embeddings(bundled, kind, options, pooling_mode, api, tmp_path):
    """Every block, against the folder that would be uploaded."""
    encoder = bundled.with_settings(pooling_mode=pooling_mode)
    push_to_hub(encoder, "me/mini", format=kind, **options)
    for name, content in api.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    blocks = code_blocks((tmp_path / "README.md").read_text())
    assert len(blocks) == (2 if kind == "sentence-transformers" else 1)
    asked = {"embeddings": None, **({"asked": PROMPTS["query"]} if "prompts" in options else {})}
    for block in blocks:
        scope: dict = {}
        exec(block.replace("'me/mini'", repr(str(tmp_path))), scope)
        for name, instruction in asked.items():
            ours = encoder.encode(scope["texts"], instruction, normalize=options.get("normalize", False))
            np.testing.assert_allclose(scope[name], ours, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("repo_id", ["", "my model", "a/b/c", "me/..", "https://huggingface.co/me/mini"])
def test_a_bad_name_costs_no_work(bundled, repo_id, api):
    with pytest.raises(InputError, match="is no name for a repository"):
        push_to_hub(bundled, repo_id)
    assert api.calls == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "onnx"}, "unknown format 'onnx'"),
    ],
)
def test_what_does_not_fit_together_is_named(bundled, options, reason, api):
    with pytest.raises(InputError, match=reason):
        push_to_hub(bundled, "me/mini", **options)
    assert api.calls == []


def test_offline_and_nobody_logged_in(bundled, monkeypatch):
    """The real client, which the tests' environment switches off."""
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: None)
    with pytest.raises(HubError, match="hf auth login"):
        push_to_hub(bundled, "me/mini")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        push_to_hub(bundled, "me/mini", token="hf_nothing")


@pytest.mark.parametrize(
    ("step", "error", "advice"),
    [
        ("whoami", refusal(401), "needs write access"),
        ("create_repo", refusal(403), "needs write access"),
        ("upload_folder", refusal(500, "out of order"), "answered 500 for 'me/mini': out of order"),
        ("upload_folder", ConnectionResetError("gone"), "check the network"),
    ],
)
def test_a_refusal_says_what_to_do(bundled, step, error, advice, api):
    api.failing[step] = error
    with pytest.raises(HubError, match=advice):
        push_to_hub(bundled, "me/mini")
    assert api.names()[-1] == step


def test_an_encoder_that_cannot_be_exported_makes_no_repository(bundled, api):
    encoder = LLM2Vec(bundled.causal_model, bundled.tokenizer, template="echo")
    with pytest.raises(ExportError, match="echo"):
        push_to_hub(encoder, "me/mini")
    assert api.names() == ["token", "whoami"]


def test_a_card_needs_a_folder(bundled, tmp_path):
    with pytest.raises(InputError, match="no folder 'nowhere'"):
        write_model_card(bundled, tmp_path / "nowhere")
