"""Encoder-only models: trained as text encoders from the start, with attention in both directions and no decoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel

from llm2vec_core.baselines.pooled_states import pooled, unit
from llm2vec_core.batching import Layout, TokenizedText, check_ids, embedding_rows, tokenize
from llm2vec_core.bidirectional import prefix_test
from llm2vec_core.checkpoints import find_file, require_file, shown
from llm2vec_core.config_numbers import no_json
from llm2vec_core.encoder import Progress, find_device
from llm2vec_core.errors import ModelError
from llm2vec_core.loading import load_tokenizer, refuse_broken_weights
from llm2vec_core.positions import learned_positions
from llm2vec_core.presets import EncoderOnlyModel
from llm2vec_core.provision import provide_folder
from llm2vec_core.st_folders import read_st_folder

# Longest text in tokens where neither the folder nor the model's positions set a limit.
NO_LIMIT = 512


class EncoderOnly:
    """The encoder of a sentence-transformers folder, as its makers meant it to be used.

    Pooling, longest text and whether embeddings have length 1 are the folder's. It has no causal view to compare with.

    Args:
        folder: with ``modules.json``, the model as safetensors and its tokenizer.
        device: as ``torch.device``; by default a GPU if there is one.

    Raises:
        ModelError: if files are missing, cut off or of another kind, or the model reads in one direction.
        InputError: for a device that is not there.

    Example:
        >>> EncoderOnly("assets")
        Traceback (most recent call last):
        llm2vec_core.errors.ModelError: the folder 'assets' has no modules.json: it is no transformers model ...
    """

    def __init__(self, folder: str | Path, device: str | torch.device | None = None) -> None:
        source = str(folder)
        require_file(source, "modules.json")
        try:
            found = read_st_folder(lambda name: _read(source, name), {}, shown(source))
        except (TypeError, AttributeError, ValueError) as error:
            raise ModelError(
                f"the files of {shown(source)} hold values of another kind than theirs ({error})"
            ) from error
        if found.dense or found.settings["prompts"] or found.settings["truncate_dim"]:
            raise ModelError(f"{shown(source)} has Dense modules, prompts or truncate_dim, which are not read here")
        base = str(Path(source) / found.base)
        self.model = _load_model(base).to(find_device(device))
        self.tokenizer = load_tokenizer(base, None, lower_case=found.lower_case)
        positions = learned_positions(self.model) or NO_LIMIT
        self.max_length: int = found.settings.get("max_length") or min(found.tokenizer_limit, positions)
        if self.max_length > positions:
            raise ModelError(
                f"{shown(source)} sets max_seq_length to {self.max_length}; its model has learned {positions} positions"
            )
        self.pooling_mode: str = found.settings["pooling_mode"]
        self._unit: bool = found.settings["normalize"]
        self._layout = Layout(skip_instruction=found.settings["skip_instruction"])

    @property
    def hidden_size(self) -> int:
        """Length of an embedding."""
        return int(self.model.config.hidden_size)

    @torch.inference_mode()
    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | None = None,
        *,
        pooling_mode: str | None = None,
        normalize: bool = False,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Embed texts.

        Args:
            texts: one text, or several.
            instruction: put in front of each text, one blank between, and pooled with it, as sentence-transformers does
                with a prompt; this model was not trained with any.
            pooling_mode: makes no difference; it is always the one that the model was trained with.
            normalize: scale each embedding to length 1; most such models do so anyway.
            progress: called with (texts done, texts in all) after each batch.

        Returns:
            float32 of shape (texts, hidden); (hidden,) for one text.

        Raises:
            InputError: if an element is no string, or the instruction leaves no room for the text.
            ModelError: if the model answers with NaN or infinity.
        """
        if isinstance(texts, str):
            found: np.ndarray = self.encode([texts], instruction, normalize=normalize, progress=progress)[0]
            return found
        rows = tokenize(self.tokenizer, texts, max_length=self.max_length, instruction=instruction, layout=self._layout)
        check_ids(rows, self.tokenizer, embedding_rows(self.model))
        form = (self.pooling_mode, self.hidden_size)
        result = pooled(rows, self._states, self.tokenizer, self.model.device, form, progress)
        return unit(result) if normalize or self._unit else result

    def _states(self, batch: dict[str, torch.Tensor], _: Sequence[TokenizedText]) -> torch.Tensor:
        states: torch.Tensor = self.model(**batch).last_hidden_state
        return states


@cache
def encoder_only(model: EncoderOnlyModel, device: str | None = None) -> EncoderOnly:
    """An encoder-only model that is known by name, loaded once a process.

    Args:
        model: such as :data:`llm2vec_core.presets.MINILM`.
        device: as for :class:`EncoderOnly`.

    Raises:
        ModelError: if it is not on this machine and cannot be had from the Hub; the message says how to get it.
    """
    return EncoderOnly(provide_folder(model), device)


def _read(source: str, name: str) -> Any:
    file = find_file(source, name)
    if file is None:
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} of {shown(source)} {no_json(error)}: the download may be unfinished") from error


def _load_model(base: str) -> PreTrainedModel:
    require_file(base, "config.json")
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
        model, info = AutoModel.from_pretrained(
            base,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # each architecture, and safetensors, raise what they like
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ModelError(
            f"cannot load a model from {shown(base)}: it needs config.json and model.safetensors, whole ({reason})"
        ) from error
    # Sentence vectors are pooled from the tokens; BERT's own pooler takes no part.
    missing = sorted(name for name in info["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ModelError(
            f"the weights in {shown(base)} are not those of its config.json: {len(missing)} are missing, {missing[0]} "
            "among them"
        )
    refuse_broken_weights(model, base)
    try:
        opened = prefix_test(model.eval()).is_bidirectional
    except Exception as error:  # an encoder with a decoder, say, asks for more than tokens
        raise ModelError(
            f"{shown(base)} ({config.model_type}) is no encoder-only model: its forward pass fails on tokens alone "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        ) from error
    if not opened:
        raise ModelError(
            f"{shown(base)} ({config.model_type}) reads in one direction: it is a decoder; load it with "
            "LLM2Vec.from_pretrained"
        )
    found: PreTrainedModel = model
    return found
