"""Encoder-only models, against sentence-transformers' own encode, and where their folder is looked for."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import LlamaConfig, LlamaModel, T5Config, T5Model

from llm2vec_core.baselines import EncoderOnly, encoder_only
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.presets import MINILM
from llm2vec_core.provision import how_to_get, installed_folder, provide_folder
from llm2vec_core.similarity import cosine_matrix
from tests.close import assert_close
from tests.tiny_encoder_only import LONGEST, tiny_bert, write_folder

TEXTS = ["The bank was robbed.", "", "river " * 40, "the steep rivers of a muddy bank", "B", "zebra\ud800 the"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("models") / "tiny", tiny_bert())


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_embeddings_are_those_of_sentence_transformers(folder):
    """Texts of unlike length in one batch, one that is too long, an empty one, and unknown characters."""
    theirs = SentenceTransformer(str(folder), device="cpu")
    texts = [text.replace("\ud800", "\ufffd") for text in TEXTS]
    ours = EncoderOnly(folder, "cpu")
    assert ours.max_length == theirs.max_seq_length == LONGEST
    assert_close(ours.encode(TEXTS), theirs.encode(texts))
    assert_close(ours.encode(TEXTS[0]), theirs.encode(texts[0]))
    assert_close(ours.encode(TEXTS, "the bank"), theirs.encode(texts, prompt="the bank "))
    np.testing.assert_array_equal(ours.encode(TEXTS, pooling_mode="last_token"), ours.encode(TEXTS, normalize=True))
    assert ours.encode([]).shape == (0, 32)
    told = []
    ours.encode(TEXTS, progress=lambda *numbers: told.append(numbers))
    assert told[-1] == (len(TEXTS), len(TEXTS))


@pytest.mark.parametrize(("pooling", "normalize"), [("cls", False), ("mean", False)])
def test_pooling_and_length_are_the_folders(pooling, normalize, tmp_path):
    folder = write_folder(tmp_path / "other", tiny_bert(), pooling=pooling, normalize=normalize)
    found = EncoderOnly(folder, "cpu").encode(TEXTS[:1])
    assert_close(found, SentenceTransformer(str(folder), device="cpu").encode(TEXTS[:1]))
    assert not np.allclose(np.linalg.norm(found), 1, atol=1e-2)


def test_what_takes_an_encoder_takes_it(folder):
    encoder = EncoderOnly(folder, "cpu")
    assert_close(cosine_matrix(encoder.encode(TEXTS)).diagonal(), np.ones(len(TEXTS)))
    with pytest.raises(InputError, match="must be a string"):
        encoder.encode([3])
    with pytest.raises(InputError, match="leave no room for the text; at most 12 tokens"):
        encoder.encode(["a"], "river " * 40)


def cut(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def change(**values):
    def write(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))

    return write


def change_weights(edit):
    def write(folder):
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return write


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"'copy': it needs config\.json and model\.safetensors, whole"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors, whole"),
        (lambda folder: (folder / "modules.json").unlink(), r"has no modules\.json"),
        (lambda folder: (folder / "modules.json").write_text("[{"), r"modules\.json of 'copy' .* unfinished"),
        (lambda folder: (folder / "1_Pooling" / "config.json").unlink(), r"no config\.json of its Pooling"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), r"cannot load the tokenizer of 'copy'"),
        (change(num_hidden_layers=3), r"\d+ are missing, encoder\.layer\.2"),
        (change(model_type="no-such-type"), r"cannot load a model from 'copy'.*no-such-type"),
        (change(max_position_embeddings=8), r"cannot load a model"),
        (change(is_decoder=True), r"\(bert\) reads in one direction: it is a decoder"),
        (change_weights(lambda found: found["embeddings.word_embeddings.weight"].fill_(float("nan"))), "holds NaN"),
        (
            lambda folder: (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 99}'),
            "99.*32 positions",
        ),
    ],
)
def test_a_damaged_folder_is_refused(damage, message, copy):
    damage(copy)
    with pytest.raises(ModelError, match=message):
        EncoderOnly(copy, "cpu")


SMALL = {"vocab_size": 24, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: LlamaModel(LlamaConfig(intermediate_size=48, **SMALL)), r"\(llama\) reads in one direction"),
        (lambda: T5Model(T5Config(vocab_size=24, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4)),
         r"\(t5\) is no encoder-only model"),
    ],
)  # fmt: skip
def test_a_model_that_is_no_encoder_is_refused(model, message, tmp_path):
    folder = write_folder(tmp_path / "foreign", model())
    with pytest.raises(ModelError, match=message):
        EncoderOnly(folder, "cpu")


@pytest.fixture
def packaged(folder, tmp_path, monkeypatch):
    """A model of an installed package, made anew for each test."""
    package = tmp_path / "site" / "tiny_encoder"
    shutil.copytree(folder, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('it is not to be imported')\n")
    monkeypatch.syspath_prepend(str(package.parent))
    names = [name for name, _ in MINILM.sha256]
    digests = tuple((name, hashlib.sha256((folder / name).read_bytes()).hexdigest()) for name in names)
    return replace(MINILM, key="tiny", package="tiny_encoder", repo="no-such/repository", sha256=digests)


def test_it_is_found_in_the_installed_package_and_loaded_once(packaged, folder):
    assert installed_folder(packaged) == provide_folder(packaged)
    encoder = encoder_only(packaged, "cpu")
    np.testing.assert_array_equal(encoder.encode(TEXTS), EncoderOnly(folder, "cpu").encode(TEXTS))
    assert encoder_only(packaged, "cpu") is encoder


@pytest.mark.parametrize("name", [name for name, _ in MINILM.sha256])
def test_another_content_is_refused(packaged, name):
    file = installed_folder(packaged) / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelError, match=rf"{name} .* is another file .* get it again"):
        provide_folder(packaged)


def test_where_it_is_not_to_be_had_the_message_says_how_to_get_it(packaged):
    away = replace(packaged, package="no_such_package")
    assert installed_folder(away) is None
    with pytest.raises(ModelError, match=re.escape(how_to_get(MINILM))):
        encoder_only(away)
    (installed_folder(packaged) / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        provide_folder(packaged)
