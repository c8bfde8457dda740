"""Dense layers behind pooling: sentence-transformers' vectors, also after a save, an export and in another view."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer import modules as st
from torch import nn
from transformers import Gemma3TextConfig

from llm2vec_core.dense import DENSE_FILE
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import ModelError, TrainingError
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import MNTP
from tests.test_st_folders import TEXTS, WIDE, assert_same, change, theirs, written

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own


def dense(given: int, wide: int, activation: nn.Module | None = None, **options) -> st.Dense:
    torch.manual_seed(given + wide)
    return st.Dense(given, wide, activation_function=activation, **options)


MODULES = {
    "tanh, as LaBSE has it": (dense(WIDE, 16, nn.Tanh()),),
    "two without bias, as EmbeddingGemma has them": (
        dense(WIDE, 64, bias=False),
        dense(64, WIDE, bias=False),
        st.Normalize(),
    ),
    "normalized before": (st.Normalize(), dense(WIDE, 8, nn.ReLU())),
    "normalized before and behind": (st.Normalize(), dense(WIDE, 8), st.Normalize()),
    "residual": (dense(WIDE, WIDE, nn.GELU(), use_residual=True),),
    "residual of another width": (dense(WIDE, 24, nn.SiLU(), use_residual=True), st.Dropout(0.5), st.Normalize()),
}


@pytest.mark.parametrize("name", MODULES)
def test_vectors_as_that_library_has_them(tmp_path, name):
    folder = written(tmp_path, extra=MODULES[name], is_causal=False)
    want = theirs(folder)
    encoder = LLM2Vec.from_pretrained(folder)
    assert encoder.hidden_size == want.shape[1]
    assert_same(encoder.encode(TEXTS), want)
    assert_same(encoder.encode_poolings(TEXTS)["mean"], want)
    assert_same(encoder.view(bidirectional=False).view(bidirectional=True).encode(TEXTS), want)
    encoder.save_pretrained(tmp_path / "saved")
    assert_same(LLM2Vec.from_pretrained(tmp_path / "saved").encode(TEXTS), want)
    encoder.export_sentence_transformers(tmp_path / "exported")
    assert_same(theirs(str(tmp_path / "exported")), want)
    assert_same(LLM2Vec.from_pretrained(tmp_path / "exported").encode(TEXTS), want)


def test_a_twin_of_embedding_gemma(tmp_path):
    """Its attention is open by a flag of its own, with prompts, Dense layers and a Normalize module."""
    changes = {"head_dim": 8, "sliding_window": 8, "use_bidirectional_attention": True, "layer_types": None}
    prompts = {"query": "task: search result | query: ", "document": "title: none | text: "}
    folder = written(
        tmp_path, config=Gemma3TextConfig, extra=MODULES["two without bias, as EmbeddingGemma has them"],
        options={"prompts": prompts}, **changes,
    )  # fmt: skip
    encoder = LLM2Vec.from_pretrained(folder)
    assert encoder.bidirectional
    for name in (None, "query", "document"):
        assert_same(encoder.encode(TEXTS, prompt_name=name), theirs(folder, prompt_name=name))


def test_truncation_comes_last(tmp_path):
    folder = written(tmp_path, extra=(dense(WIDE, 16), st.Normalize()), options={"truncate_dim": 4})
    assert LLM2Vec.from_pretrained(folder).hidden_size == 4
    assert_same(LLM2Vec.from_pretrained(folder).encode(TEXTS), theirs(folder))


def test_a_save_without_dense_layers_takes_the_old_ones_away(tmp_path):
    encoder = LLM2Vec.from_pretrained(written(tmp_path, extra=(dense(WIDE, 16),)))
    encoder.save_pretrained(tmp_path / "saved")
    plain = LLM2Vec(encoder.causal_model, encoder.tokenizer)
    plain.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / DENSE_FILE).exists()
    assert LLM2Vec.from_pretrained(tmp_path / "saved").hidden_size == WIDE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"activation_function": "transformers.activations.GELUActivation"}, "activation_function"),
        ({"activation_function": "torch.nn.modules.activation.PReLU"}, "activation_function"),
        ({"activation_function": "torch.nn.Linear"}, "activation_function"),
        ({"in_features": 7}, "does not hold the layer"),
        ({"bias": False}, "does not hold the layer"),
        ({"scale": 2}, "scale"),
        ({"module_output_name": "other"}, "module_output_name"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, changes, said):
    folder = Path(written(tmp_path, extra=(dense(WIDE, 16),)))
    change(folder / "2_Dense" / "config.json", **changes)
    with pytest.raises(ModelError, match=said):
        LLM2Vec.from_pretrained(folder)


def test_layers_that_do_not_follow_each_other(tmp_path):
    folder = Path(written(tmp_path, extra=(dense(WIDE, 16), dense(16, 8))))
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["path"], modules[3]["path"] = modules[3]["path"], modules[2]["path"]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="takes embeddings of 16 numbers and gets 32"):
        LLM2Vec.from_pretrained(folder)


def test_a_pickle_is_not_read(tmp_path):
    folder = Path(written(tmp_path, extra=(dense(WIDE, 16),)))
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin can run code"):
        LLM2Vec.from_pretrained(folder)


def test_training_does_not_pass_them_over(tmp_path):
    encoder = LLM2Vec.from_pretrained(written(tmp_path, extra=(dense(WIDE, 16),)))
    with pytest.raises(TrainingError, match="Dense layers"):
        AdapterTraining(encoder, MNTP(), TEXTS, TrainingConfig(steps=1))


def test_a_layer_is_its_closed_form(tmp_path):
    encoder = LLM2Vec.from_pretrained(written(tmp_path, extra=(dense(WIDE, 16, nn.Tanh()),)))
    (layer,) = encoder.dense
    rows = np.ones((1, WIDE), dtype=np.float32)
    want = np.tanh(layer.weight.numpy().sum(1) + layer.bias.numpy())
    np.testing.assert_allclose(layer(rows)[0], want, rtol=1e-5, atol=1e-6)
