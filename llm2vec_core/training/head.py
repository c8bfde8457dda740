"""The language-model head that MNTP predicts masked tokens with.

A head is more than its output matrix: Cohere and Granite scale the logits, Gemma 2 caps them, MiniCPM3 scales the
hidden states, others have a bias or a dense layer of their own. So the architecture's own ``forward`` is used, with the
hidden states handed to it in place of its decoder's.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from llm2vec_core.errors import ModelError


class LanguageModelHead(nn.Module):
    """Hidden states -> logits, as a causal language model computes them behind its decoder; frozen.

    Args:
        language_model: is changed: its decoder is taken out.

    Attributes:
        matrix: the output matrix, as a layer.

    Raises:
        ModelError: if it has no decoder or no output matrix.
    """

    def __init__(self, language_model: PreTrainedModel) -> None:
        super().__init__()
        name = next((n for n, child in language_model.named_children() if isinstance(child, PreTrainedModel)), None)
        self.matrix = language_model.get_output_embeddings()
        if name is None or self.matrix is None:
            raise ModelError(f"{type(language_model).__name__} has no language-model head: MNTP needs one")
        setattr(language_model, name, _GivenStates())
        language_model.config.output_router_logits = False  # only the decoder knows them
        self.language_model = language_model.eval().requires_grad_(False)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of shape (..., vocabulary), from hidden states of shape (..., hidden)."""
        rows = hidden_states.reshape(1, -1, hidden_states.shape[-1])
        logits = self.language_model(inputs_embeds=rows, use_cache=False, return_dict=True).logits
        return logits.view(*hidden_states.shape[:-1], logits.shape[-1])


def tied_head(model: PreTrainedModel) -> LanguageModelHead:
    """The head of a model whose output matrix *is* its token embedding: hidden -> vocabulary.

    Args:
        model: the decoder without its head; the two share the matrix.

    Raises:
        ModelError: if the head has weights of its own (then use :func:`load_head`).
    """
    config = copy.deepcopy(model.config.get_text_config())
    if not config.tie_word_embeddings:
        raise ModelError("this model has an output matrix of its own; load it with load_head(base)")
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # of the decoder, which is not built for its weights
    with torch.device("meta"):
        head = LanguageModelHead(_language_model_class(config)._from_config(config, dtype=model.dtype))
    embedding = model.get_input_embeddings().weight  # (V, d)
    if embedding.shape != head.matrix.weight.shape:
        raise ModelError(
            f"this model's output matrix has {len(head.matrix.weight):,} rows and its token embedding "
            f"{len(embedding):,}, so it has weights of its own; load it with load_head(base)"
        )
    head.matrix.weight = nn.Parameter(embedding.detach(), requires_grad=False)
    own = [name for name, parameter in head.language_model.named_parameters() if parameter.is_meta]
    if own:
        raise ModelError(f"this model's head has weights of its own ({own[0]}); load it with load_head(base)")
    return head


def load_head(base: str | Path, dtype: torch.dtype = torch.float32) -> LanguageModelHead:
    """Load the head of a causal language model, frozen; the rest of the model is dropped again."""
    return LanguageModelHead(AutoModelForCausalLM.from_pretrained(base, dtype=dtype, use_safetensors=True))


def _language_model_class(config: PreTrainedConfig) -> type[PreTrainedModel]:
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    # Text towers of composite types, which are registered under the whole's name.
    for model_type, name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items():
        if config.model_type.startswith(model_type) and getattr(transformers, name).config_class is type(config):
            return getattr(transformers, name)
    raise ModelError(f"transformers has no causal language model for {config.model_type!r}: MNTP needs its head")


class _GivenStates(nn.Module):
    """Stands where a language model has its decoder, and answers with the states that it is given."""

    def forward(self, *args: Any, **kwargs: Any) -> _Output:
        tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
        return _Output(last_hidden_state=next(value for value in tensors if value.is_floating_point()))

    def __getattr__(self, name: str) -> Any:
        # OPT calls the decoder's decoder.
        if name.startswith("_"):
            return super().__getattr__(name)
        return self


class _Output(BaseModelOutputWithPast):
    def __getattr__(self, name: str) -> None:
        # Router logits, shared keys and values: there are none.
        if name.startswith("_"):
            raise AttributeError(name)
