"""A value of a wrong type is named, whatever function it is given to, before anything is done with it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from llm2vec_core import (
    InputError,
    LLM2Vec,
    SearchIndex,
    fill_blanks,
    make_bidirectional,
    measure_pairs,
    pool,
    prefix_test,
    shared_weights_view,
)
from llm2vec_core.comparison import compare_prefix
from llm2vec_core.evaluation.mteb_adapter import as_mteb_encoder
from llm2vec_core.export import export_sentence_transformers, to_sentence_transformer
from llm2vec_core.hub import push_to_hub
from llm2vec_core.precision import quantize_embeddings

METHODS = (
    LLM2Vec.encode, LLM2Vec.encode_query, LLM2Vec.encode_document, LLM2Vec.tokenize, LLM2Vec.encode_poolings,
    LLM2Vec.token_states, LLM2Vec.attentions, LLM2Vec.view, LLM2Vec.to, LLM2Vec.save_pretrained, LLM2Vec.start_pool,
)  # fmt: skip
FUNCTIONS = (
    fill_blanks, measure_pairs, pool, make_bidirectional, prefix_test, shared_weights_view, compare_prefix,
    as_mteb_encoder, export_sentence_transformers, to_sentence_transformer, push_to_hub, quantize_embeddings,
    SearchIndex, LLM2Vec, LLM2Vec.from_pretrained, LLM2Vec.from_preset,
)  # fmt: skip
# What the other arguments are while one is wrong.
RIGHT = {
    "texts": ["a"], "text": "a", "a": "a", "b": "a b", "bidirectional": True, "device": "cpu", "devices": ["cpu"],
    "pairs": [], "repo_id": "owner/name", "embeddings": np.eye(2), "precision": "binary", "mode": "mean",
    "last_hidden_state": torch.zeros(1, 2, 3), "pooling_mask": torch.ones(1, 2), "source": "nowhere", "name": "mini",
}  # fmt: skip
ANYTHING = {"device_map", "ranges"}  # checked where they are used
WRONG = (b"x", object(), 2.5, np.zeros(2), {1: 2})


@pytest.mark.parametrize("function", [*METHODS, *FUNCTIONS], ids=lambda function: function.__qualname__)
def test_a_wrong_type_is_named(function, bundled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {**RIGHT, "encoder": bundled, "model": bundled.model, "tokenizer": bundled.tokenizer, "folder": "out"}
    given |= {"self": bundled, "head": None}
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    needed = {p.name: given[p.name] for p in parameters if p.default is p.empty}
    for name in {p.name for p in parameters} - ANYTHING - {"self"}:
        for wrong in WRONG:
            if name == "embeddings" and isinstance(wrong, np.ndarray):
                continue
            with pytest.raises(InputError) as caught:
                function(**{**needed, name: wrong})
            said = str(caught.value)
            assert name in said or repr(wrong)[:12] in said or "a text must be a string" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", ["5 gigabytes", "GB", "", "fiveGB"])
def test_a_size_that_is_none(bundled, tmp_path, size):
    for write in (bundled.save_pretrained, bundled.export_sentence_transformers):
        with pytest.raises(InputError, match=rf"max_shard_size '{size}' must be a number and a unit: '5GB'"):
            write(tmp_path / "out", max_shard_size=size)
    assert not list(tmp_path.iterdir())


def test_what_would_be_right_is_said(bundled):
    for call, said in (
        (lambda: bundled.save_pretrained(None), "folder None must be a string or a path"),
        (lambda: LLM2Vec.from_preset(None), "name None must be a string"),
        (lambda: bundled.encode("a", normalize="no"), "normalize 'no' must be True or False or None"),
        (lambda: bundled.start_pool(["cpu", 3]), r"devices \['cpu', 3\] must be a list of strings or torch.devices"),
        (lambda: make_bidirectional(bundled.model, sliding_window="wide"), "sliding_window 'wide'; choose .*halved"),
        (lambda: fill_blanks(bundled, "a _", expected="b"), "expected 'b' must be a list of strings"),
    ):
        with pytest.raises(InputError, match=said):
            call()
