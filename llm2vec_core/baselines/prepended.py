"""Token prepending: each layer hands its summary of the text back to the text's beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from transformers import PreTrainedModel

from llm2vec_core.baselines.pooled_states import PooledStates
from llm2vec_core.baselines.templated import quoted_prompt
from llm2vec_core.batching import TokenizedText, pad_token_id
from llm2vec_core.bidirectional.layers import decoder_layers, shared_weights_view
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError

Places = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class PrependedTokens(PooledStates):
    """The quoted prompt with one more token before the text, which carries what the layer before made of the whole.

    Before each of the first layers but the very first, the state of that token is replaced by the state of the last
    one, which has read everything: so a causal model's early words see a summary of the late ones, untrained (Fu et
    al., 2024, arXiv 2412.11556). The token's own embedding, which only the first layer sees, is the begin token's.

    Args:
        encoder: any; its weights are shared.
        layers: how many layers get the replaced state, at least 1 and less than the model has.

    Raises:
        InputError: if ``layers`` is none of these.
        ModelError: if the model keeps its layers where they cannot be reached.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> PrependedTokens(LLM2Vec.from_pretrained(BUNDLED.base), 2).encode(["A river.", "A bank."]).shape
        (2, 384)
    """

    def __init__(self, encoder: LLM2Vec, layers: int) -> None:
        super().__init__(quoted_prompt(encoder))
        count = len(decoder_layers(self._encoder.model))
        if not count:
            raise ModelError(
                f"{encoder.model.config.model_type} keeps its layers where token prepending cannot reach them"
            )
        if not 1 <= layers < count:
            raise InputError(
                f"layers is {layers}; of this model's {count} layers 1 to {count - 1} can get a replaced state"
            )
        self.layers = layers

    @cached_property
    def _model(self) -> PreTrainedModel:
        # Modules of its own: other threads use the encoder's, and must not meet these hooks.
        return shared_weights_view(self._encoder.model)

    def _rows(self, texts: Sequence[str], instruction: str | None) -> list[TokenizedText]:
        begin = self._encoder.tokenizer.bos_token_id
        extra = pad_token_id(self._encoder.tokenizer) if begin is None else begin
        longest = self._encoder.max_length
        rows = self._encoder.with_settings(max_length=longest - 1).tokenize(texts, instruction)
        return [
            replace(row, input_ids=(*row.input_ids[: row.pooling_start], extra, *row.input_ids[row.pooling_start :]))
            for row in rows
        ]

    def _states(self, batch: dict[str, torch.Tensor], rows: Sequence[TokenizedText]) -> torch.Tensor:
        device = batch["input_ids"].device
        places = (
            torch.arange(len(rows), device=device),
            torch.tensor([row.pooling_start for row in rows], device=device),
            torch.tensor([len(row.input_ids) - 1 for row in rows], device=device),
        )
        layers = decoder_layers(self._model)[1 : self.layers + 1]
        hooks = [layer.register_forward_pre_hook(partial(_hand_back, places), with_kwargs=True) for layer in layers]
        try:
            states: torch.Tensor = self._model(**batch, use_cache=False).last_hidden_state
            return states
        finally:
            for hook in hooks:
                hook.remove()


def _hand_back(places: Places, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Replace one token's state of each row by that of its last token."""
    rows, extra, last = places
    states = (args[0] if args else kwargs["hidden_states"]).clone()
    states[rows, extra] = states[rows, last]
    return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})
