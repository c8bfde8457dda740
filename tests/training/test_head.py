from __future__ import annotations

import inspect
import re

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from llm2vec_core.architectures import OUT_OF_SCOPE, causal_lm_types, tiny_config
from llm2vec_core.architectures.tiny import quiet
from llm2vec_core.errors import ModelError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.head import LanguageModelHead, _language_model_class, load_head, tied_head
from llm2vec_core.training.objectives.mntp import IGNORED, mntp_loss
from tests.conftest import tiny_llama
from tests.test_architectures import REFUSED

CONVERTED = [t for t in causal_lm_types() if t not in OUT_OF_SCOPE and t not in REFUSED]
IDS = torch.tensor([[3, 4, 5, 6, 7, 8]])
# What these do to their logits or before their output matrix, each strong enough to be seen.
SCALED = {
    "beam": {"final_logit_softcapping": 2.0},
    "cohere": {"logit_scale": 0.01},
    "cohere2": {"logit_scale": 0.01},
    "cohere2_moe": {"logit_scale": 0.01},
    "cohere_compass_text": {"logit_scale": 0.01},
    "gemma2": {"final_logit_softcapping": 2.0},
    "gemma3_text": {"final_logit_softcapping": 2.0},
    "gemma3n_text": {"final_logit_softcapping": 2.0},
    "gemma4_text": {"final_logit_softcapping": 2.0},
    "gemma4_unified_text": {"final_logit_softcapping": 2.0},
    "granite": {"logits_scaling": 50.0},
    "granite_swa": {"logits_scaling": 50.0},
    "granitemoe": {"logits_scaling": 50.0},
    "granitemoe_swa": {"logits_scaling": 50.0},
    "granitemoeshared": {"logits_scaling": 50.0},
    "hyperclovax": {"logits_scaling": 50.0},
    "minicpm3": {"dim_model_base": 2},
    "nanochat": {"final_logit_softcapping": 2.0},
    "vaultgemma": {"final_logit_softcapping": 2.0},
}


def language_model(model_type, **changes):
    torch.manual_seed(0)
    with quiet():
        config = tiny_config(model_type, **changes)
        return _language_model_class(config)._from_config(config).eval()


@torch.no_grad()
def logits_and_states(model):
    """What the language model itself says, and the last hidden states that it says it from."""
    below = []
    decoder = next(child for child in model.children() if hasattr(child, "config"))
    inner = getattr(decoder, "decoder", decoder)  # OPT
    handle = inner.register_forward_hook(lambda _m, _a, output: below.append(output[0]))
    logits = model(input_ids=IDS, attention_mask=torch.ones_like(IDS), use_cache=False, return_dict=True).logits
    handle.remove()
    return logits, below[-1], decoder


@pytest.mark.parametrize("model_type", CONVERTED)
def test_the_logits_of_every_type(model_type):
    model = language_model(model_type)
    tied = model.config.tie_word_embeddings
    logits, states, decoder = logits_and_states(model)
    chosen = states[:, [0, 2]][0]  # (2, d), as MNTP hands them over
    if tied and model_type not in ("modernbert-decoder", "ctrl"):  # a dense layer, a bias
        head = tied_head(decoder)
        torch.testing.assert_close(head(states), logits, atol=1e-5, rtol=1e-5)
    else:
        with pytest.raises(ModelError, match="load_head"):
            tied_head(decoder)
    head = LanguageModelHead(model)
    torch.testing.assert_close(head(states), logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(head(chosen), logits[0, [0, 2]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model_type", SCALED)
def test_scales_and_caps_count(model_type):
    model = language_model(model_type, tie_word_embeddings=True, **SCALED[model_type])
    logits, states, decoder = logits_and_states(model)
    bare = states @ decoder.get_input_embeddings().weight.detach().T
    assert not torch.allclose(bare, logits, rtol=0.1), "its scale changes nothing here"
    head = tied_head(decoder)
    torch.testing.assert_close(head(states), logits, atol=1e-5, rtol=1e-5)
    labels = torch.where(torch.tensor([[0, 1, 0, 0, 1, 1]]).bool(), IDS, IGNORED)
    with torch.no_grad():
        own = model(input_ids=IDS, attention_mask=torch.ones_like(IDS), labels=labels, use_cache=False).loss
    torch.testing.assert_close(mntp_loss(states, labels, head), own)


# A line that changes logits, or what they are made of, by a number of the configuration.
SCALES = re.compile(r"^\s*(logits|hidden_states)\s*([*/]=|=.*[*/])\s*self\.config\.\w+", re.MULTILINE)


def test_no_type_that_scales_or_caps_its_logits_is_left_out():
    """A type of a later transformers is to be added above, with a value that can be seen."""
    found = set()
    for model_type in CONVERTED:
        source = inspect.getsource(getattr(transformers, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]).forward)
        if SCALES.search(source) or "final_logit_softcapping" in source:
            found.add(model_type)
    # Of a type that also sees, the text model is tried.
    assert {name for name in found if not {name, f"{name}_text"} & set(SCALED)} == set()
    assert len(found) >= 15  # the pattern still finds them


@pytest.mark.parametrize("model_type", ["modernbert-decoder", "nanochat", "phi", "gptj", "granite"])
def test_a_head_from_a_folder(model_type, tmp_path):
    model = language_model(model_type)
    with quiet(), torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        model.save_pretrained(tmp_path)
        logits, states, _ = logits_and_states(model)
        head = load_head(tmp_path)
    torch.testing.assert_close(head(states), logits, atol=1e-5, rtol=1e-5)
    assert sum(p.numel() for p in head.parameters()) < sum(p.numel() for p in model.parameters())


def test_both_ways_give_the_logits_of_the_language_model(bundled_causal):
    ids = torch.tensor([[1, 300, 301]])
    model = AutoModelForCausalLM.from_pretrained(BUNDLED.base, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        states = bundled_causal.model(input_ids=ids).last_hidden_state
        for head in (tied_head(bundled_causal.model), load_head(BUNDLED.base)):
            torch.testing.assert_close(head(states), expected, atol=1e-4, rtol=1e-4)
            assert not any(p.requires_grad for p in head.parameters())


def test_the_tied_matrix_is_not_copied(tiny_model):
    (weight,) = tied_head(tiny_model).parameters()
    assert weight.data_ptr() == tiny_model.get_input_embeddings().weight.data_ptr()


def test_in_half_precision_the_head_is_too():
    model = tiny_llama().to(torch.bfloat16)
    assert tied_head(model)(torch.zeros(2, 32, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("model_type", ["mllama", "moshi"])
def test_a_token_embedding_with_more_rows_than_the_output_matrix_is_not_the_head(model_type):
    """Whatever the config says: these embed more tokens than they predict."""
    model = language_model(model_type, tie_word_embeddings=True)
    logits, states, decoder = logits_and_states(model)
    with pytest.raises(ModelError, match=r"output matrix has 97 rows and its token embedding .*load_head"):
        tied_head(decoder)
    torch.testing.assert_close(LanguageModelHead(model)(states), logits, atol=1e-5, rtol=1e-5)


def test_an_untied_model_has_no_tied_head():
    with pytest.raises(ModelError, match="load_head"):
        tied_head(tiny_llama(tie_word_embeddings=False))
