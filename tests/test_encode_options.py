"""What users of sentence-transformers expect of an encoder's methods. Oracle: sentence-transformers' own functions."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from llm2vec_core import encoder as module
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.presets import BUNDLED
from tests.conftest import tiny_llama
from tests.tiny_gguf import tiny_tokenizer

TEXTS = ["A river bank.", "Hi", "", "The bank was robbed at noon.", "river " * 40]
PROMPTS = {"query": "Find: ", "passage": "Text: "}


@pytest.fixture(scope="module")
def prompted() -> LLM2Vec:
    return LLM2Vec.from_pretrained(BUNDLED.base, device="cpu", prompts=PROMPTS)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"instruction": "Find:"},
        {"prompt": "Find: "},
        {"prompt_name": "query"},
        {"pooling_mode": "last_token"},
        {"normalize": True},
        {"truncate_dim": 16},
        {"truncate_dim": 16, "normalize": True},
        {"precision": "ubinary"},
        {"precision": "int8", "ranges": np.stack([np.full(384, -3.0), np.full(384, 3.0)])},
        {"convert_to_tensor": True},
        {"batch_size": 1},
        {"max_tokens_per_batch": 50},
        {"devices": ["cpu"]},
        {"show_progress_bar": True},
    ],
    ids=str,
)
def test_one_text_takes_every_option_of_many(prompted, options):
    one, many = (prompted.encode(texts, **options) for texts in (TEXTS[0], TEXTS[:1]))
    assert type(one) is type(many) and one.shape == many.shape[1:]
    np.testing.assert_array_equal(np.asarray(one), np.asarray(many)[0])


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens_per_batch": 0},
        {"batch_size": 0},
        {"truncate_dim": 0},
        {"precision": "int4"},
        {"pool": 5},
        {"progress": 5},
        {"devices": ["tpu7"]},
        {"devices": "tpu7"},
    ],
    ids=str,
)
def test_wrong_values_are_named_for_one_text_and_for_many(bundled, options):
    for texts in (TEXTS, TEXTS[0]):
        with pytest.raises(InputError, match=next(iter(options)).removesuffix("s")):
            bundled.encode(texts, **options)


def test_queries_and_documents_take_their_prompts(prompted, bundled):
    np.testing.assert_array_equal(prompted.encode_query(TEXTS), prompted.encode(TEXTS, prompt="Find: "))
    np.testing.assert_array_equal(prompted.encode_document(TEXTS), prompted.encode(TEXTS, prompt="Text: "))
    np.testing.assert_array_equal(prompted.encode_query(TEXTS, prompt=""), prompted.encode(TEXTS))
    np.testing.assert_array_equal(prompted.encode_query(TEXTS, "Look:"), prompted.encode(TEXTS, "Look:"))
    np.testing.assert_array_equal(bundled.encode_query(TEXTS), bundled.encode(TEXTS))


def test_similarity_is_sentence_transformers_cosine(bundled):
    from sentence_transformers.util import cos_sim

    left, right = bundled.encode(TEXTS[:2]), bundled.encode(TEXTS)
    np.testing.assert_allclose(bundled.similarity(left, right), cos_sim(left, right).numpy(), atol=1e-6)
    tensor = bundled.similarity(torch.from_numpy(left[0]), right)
    assert isinstance(tensor, torch.Tensor) and tensor.shape == (1, 5)
    with pytest.raises(InputError, match="same hidden"):
        bundled.similarity(left, right[:, :5])


def test_truncation_comes_before_the_length_of_one(bundled):
    whole = bundled.encode(TEXTS)
    cut = bundled.encode(TEXTS, truncate_dim=16, normalize=True)
    np.testing.assert_allclose(cut, whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True), atol=1e-6)


def test_many_texts_are_tokenised_in_windows(bundled, monkeypatch):
    whole = bundled.encode(TEXTS * 3)
    monkeypatch.setattr(module, "WINDOW_TEXTS", 4)
    sizes, told, tokenize = [], [], LLM2Vec.tokenize

    def counted(self, texts, *arguments):
        sizes.append(len(texts))
        return tokenize(self, texts, *arguments)

    monkeypatch.setattr(LLM2Vec, "tokenize", counted)
    parts = bundled.encode(TEXTS * 3, progress=lambda done, total: told.append((done, total)))
    assert sizes == [4, 4, 4, 3]
    assert told[-1] == (15, 15) and told == sorted(told)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    calls = len(sizes)
    with pytest.raises(InputError, match="must be a string"):
        bundled.encode([*TEXTS * 3, None])
    assert len(sizes) == calls, "said before anything is encoded"


def test_several_devices_share_the_texts(bundled, monkeypatch):
    encoder = LLM2Vec(bundled.causal_model, bundled.tokenizer)
    whole = encoder.encode(TEXTS * 4)
    monkeypatch.setattr(module, "WINDOW_TEXTS", 3)
    # cpu:0 is another name, and so another copy of the model.
    shared = encoder.encode(TEXTS * 4, devices=["cpu", "cpu:0"])
    np.testing.assert_allclose(shared, whole, atol=1e-5)
    (replica,) = encoder._replicas.values()
    assert replica.causal_model is not encoder.causal_model
    causal = encoder.view(bidirectional=False)
    np.testing.assert_allclose(causal.encode(TEXTS, devices=["cpu:0"]), causal.encode(TEXTS), atol=1e-5)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder.encode(TEXTS * 4, devices=["cpu", "cpu"], progress=stop)
    with pytest.raises(InputError, match="unknown device"):
        encoder.encode(TEXTS, devices=["tpu9"])


def test_copies_of_weights_follow_what_is_written_into_them():
    for options, settings in (({"devices": ["cpu:0"]}, {}), ({}, {"precision": "int8"})):
        model = tiny_llama(vocab_size=300)
        encoder = LLM2Vec(model, tiny_tokenizer(), **settings)
        before = encoder.encode(TEXTS, **options)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1.5)
        after = encoder.encode(TEXTS, **options)
        assert np.abs(after - before).max() > 1e-2
        want = LLM2Vec(model, encoder.tokenizer, **settings).encode(TEXTS)
        np.testing.assert_allclose(after, want, atol=1e-5 * np.abs(want).max())


def test_moving(bundled):
    encoder = LLM2Vec(bundled.causal_model, bundled.tokenizer)
    before = encoder.encode(TEXTS)
    assert encoder.to("cpu") is encoder
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)
    with pytest.raises(InputError, match="unknown device"):
        encoder.to("nowhere")


def test_a_subfolder(tmp_path):
    shutil.copytree(BUNDLED.base, tmp_path / "repository" / "onnx" / "model")
    got = LLM2Vec.from_pretrained(tmp_path / "repository", subfolder="onnx/model", device="cpu").encode(TEXTS)
    np.testing.assert_array_equal(got, LLM2Vec.from_pretrained(BUNDLED.base, device="cpu").encode(TEXTS))
    for wrong, message in (("absent", "no subfolder 'absent'"), ("../repository", "leads out")):
        with pytest.raises(ModelError, match=message):
            LLM2Vec.from_pretrained(tmp_path / "repository", subfolder=wrong)


def test_a_device_map_of_one_device(bundled):
    got = LLM2Vec.from_pretrained(BUNDLED.base, device_map={"": "cpu"})
    expected = bundled.encode(TEXTS)
    np.testing.assert_allclose(got.encode(TEXTS), expected, atol=1e-5 * np.abs(expected).max())
    spread = {"embed_tokens": "cpu", "layers": "cpu", "norm": "disk", "rotary_emb": "cpu"}
    with pytest.raises(ModelError, match=r"device_map|cannot load"):
        LLM2Vec.from_pretrained(BUNDLED.base, device_map=spread)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 1.5}, "batch_size 1.5 must be a whole number"),
        ({"batch_size": True}, "batch_size True must be a whole number"),
        ({"max_tokens_per_batch": "99"}, "max_tokens_per_batch '99' must be a whole number"),
    ],
)
def test_sizes_of_another_kind_are_named(prompted, options, said):
    with pytest.raises(InputError, match=said):
        prompted.encode(TEXTS, **options)


def test_a_table_is_no_list_of_texts(prompted):
    """Iterating over a table gives the names of its columns."""
    table = pd.DataFrame({"text": TEXTS[:2]})
    with pytest.raises(InputError, match="DataFrame with columns: give one column"):
        prompted.encode(table)
    assert (prompted.encode(table["text"]) == prompted.encode(TEXTS[:2])).all()


def test_no_length_at_all_is_named():
    with pytest.raises(InputError, match="max_length None must be a whole number"):
        LLM2Vec.from_pretrained(BUNDLED.base, device="cpu", max_length=None)


def test_a_file_is_no_folder_to_save_to(prompted, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelError, match="cannot write the model to 'file'"):
        prompted.save_pretrained(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("ranges", ["x", [["a"]], np.zeros((2, 3))], ids=str)
def test_ranges_that_are_none(bundled, ranges):
    with pytest.raises(InputError, match="ranges"):
        bundled.encode(TEXTS, precision="int8", ranges=ranges)


@pytest.mark.parametrize(
    ("left", "right"), [("a", "b"), (None, None), (["a river"], ["a bank"]), ([[1.0], [1.0, 2.0]], [[1.0]])], ids=str
)
def test_similarity_of_what_are_no_embeddings(bundled, left, right):
    with pytest.raises(InputError, match="encode the texts first"):
        bundled.similarity(left, right)


@pytest.mark.parametrize("most", [0, -1, "3", 1.5, True], ids=repr)
def test_a_length_that_is_none(bundled, most):
    for look in (bundled.token_states, bundled.attentions):
        with pytest.raises(InputError, match=f"max_length {most!r} must be a whole number"):
            look("a river bank", most)
