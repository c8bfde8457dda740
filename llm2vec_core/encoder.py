"""LLM2Vec: a decoder-only language model used as a text encoder.

One object holds the weights once and can look at them in two ways: causal, as the language model was
trained, and bidirectional, as LLM2Vec reads. :meth:`LLM2Vec.view` gives the other one for free.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.acceleration import accelerate, quantize_int8
from llm2vec_core.batching import (
    MAX_CHARACTERS_PER_TOKEN,
    TokenizedText,
    clean_text,
    collate,
    pad_token_id,
    token_budget_batches,
    tokenize,
)
from llm2vec_core.bidirectional import PrefixReport, make_bidirectional, prefix_test, shared_weights_view
from llm2vec_core.errors import AdapterError, InputError, ModelError
from llm2vec_core.pooling import POOLING_MODES, pool

Progress = Callable[[int, int], None]
SETTINGS_FILE = "llm2vec_config.json"
DEFAULT_MAX_LENGTH = 512
PRECISIONS = ("full", "int8")
# Measured with the bundled model on two cores: 512 to 1,024 tokens a batch stay in the processor's cache and
# are a fifth faster than 4,096. A GPU wants to be filled.
TOKEN_BUDGET_CPU, TOKEN_BUDGET_GPU = 1024, 16_384


@dataclass(frozen=True)
class TokenStates:
    """What a model makes of one text, token by token.

    Attributes:
        tokens: each token as it stands in the text; special tokens by their name.
        starts: index of the character of the text at which each token starts.
        token_ids: their ids, shape (seq,).
        hidden_states: float32 of shape (layers + 1, seq, hidden); [0] are the input embeddings, [-1] is
            ``last_hidden_state``.
        truncated: whether the text was longer than the model reads.
    """

    tokens: tuple[str, ...]
    starts: tuple[int, ...]
    token_ids: np.ndarray
    hidden_states: np.ndarray
    truncated: bool


@dataclass(frozen=True)
class Attentions:
    """Attention weights of one text.

    Attributes:
        tokens: as in :class:`TokenStates`.
        weights: float32 of shape (layers, heads, seq, seq); [l, h, i, j] is how much token i takes from
            token j, so each row sums to 1.
    """

    tokens: tuple[str, ...]
    weights: np.ndarray

    def future_share(self) -> np.ndarray:
        """Mean share of attention that goes to later tokens, shape (layers, heads); 0 if causal."""
        return np.triu(self.weights, k=1).sum(axis=-1).mean(axis=-1)


class LLM2Vec:
    """A text encoder made from a decoder.

    Args:
        model: the decoder without its language-model head, causal, in the state it was loaded in.
        tokenizer: its fast tokenizer.
        bidirectional: open the attention in both directions (step 1 of LLM2Vec).
        pooling_mode: a key of :data:`llm2vec_core.pooling.POOLING_MODES`.
        max_length: longer texts lose their end, in tokens.
        precision: "full", or "int8" to encode with 8-bit integers on a CPU: faster, at a small loss.

    Raises:
        InputError: for an unknown pooling mode or precision, or a ``max_length`` below 1.
        ModelError: if the model cannot be used in "int8".
        ConversionError: if the model cannot be made bidirectional.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
        >>> encoder.encode(["A river bank.", "A savings bank."]).shape
        (2, 256)
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        bidirectional: bool = True,
        pooling_mode: str = "mean",
        max_length: int = DEFAULT_MAX_LENGTH,
        precision: str = "full",
    ) -> None:
        if pooling_mode not in POOLING_MODES:
            raise InputError(f"unknown pooling_mode {pooling_mode!r}; choose one of {', '.join(POOLING_MODES)}")
        if max_length < 1:
            raise InputError(f"max_length {max_length} must be at least 1")
        if precision not in PRECISIONS:
            raise InputError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
        self.precision = precision
        self.causal_model = model.eval()
        self.tokenizer = tokenizer
        self.bidirectional = bidirectional
        self.pooling_mode = pooling_mode
        self.max_length = max_length
        self.model = self.causal_model
        if bidirectional:
            # Converting a view leaves the causal model beside it untouched.
            self.model = shared_weights_view(self.causal_model)
            make_bidirectional(self.model)
        if precision != "full":
            _ = self._fast_model  # what cannot be had is said at once

    @classmethod
    def from_pretrained(
        cls,
        base: str | Path,
        adapters: Sequence[str | Path] = (),
        *,
        bidirectional: bool | None = None,
        pooling_mode: str | None = None,
        max_length: int | None = None,
        dtype: torch.dtype | str | None = None,
        device: str | torch.device | None = None,
        attn_implementation: str | None = None,
        revision: str | None = None,
    ) -> LLM2Vec:
        """Load a decoder from a folder or the Hub, and merge PEFT adapters into it one after another.

        Args:
            base: folder or Hub id of a causal language model, or a folder of :meth:`save_pretrained`.
            adapters: folders or Hub ids of PEFT adapters, merged in this order.
            bidirectional: as in the constructor; by default what the folder says, else True.
            pooling_mode: by default what the folder says, else "mean".
            max_length: by default what the folder says, else the model's context, at most 512 tokens.
            dtype: of the weights; by default float32 on a CPU (half precision crawls there) and the
                stored one elsewhere.
            device: by default a GPU if there is one.
            attn_implementation: by default the best that the architecture has.
            revision: of a Hub model.

        Returns:
            The encoder, in evaluation mode.

        Raises:
            ModelError: if the model cannot be loaded. Only safetensors are read: no pickled weights,
                no code from the model's repository.
            AdapterError: if an adapter does not belong to the base.
            ConversionError: if the architecture cannot be made bidirectional.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base, BUNDLED.stage("mntp").adapters)
            >>> encoder.prefix_test().is_bidirectional
            True
        """
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if dtype is None:
            dtype = torch.float32 if device.type == "cpu" else "auto"
        try:
            config = AutoConfig.from_pretrained(base, revision=revision)
            if getattr(config, "is_causal", True) is False:
                # A folder that we saved: start from the causal model, so that both views exist.
                config.is_causal = True
            model = AutoModel.from_pretrained(
                base,
                config=config,
                dtype=dtype,
                attn_implementation=attn_implementation,
                revision=revision,
                use_safetensors=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(base, revision=revision)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"cannot load a model from {_shown(base)}: it needs config.json, *.safetensors and tokenizer "
                f"files of a transformers model, in a folder or on a reachable Hub ({type(error).__name__})"
            ) from error
        for adapter in adapters:
            model = _merge_adapter(model, adapter)
        settings = _read_settings(base)
        context = getattr(config.get_text_config(), "max_position_embeddings", DEFAULT_MAX_LENGTH)
        return cls(
            model.to(device),
            tokenizer,
            bidirectional=settings.get("bidirectional", True) if bidirectional is None else bidirectional,
            pooling_mode=pooling_mode or settings.get("pooling_mode", "mean"),
            max_length=max_length or settings.get("max_length", min(context, DEFAULT_MAX_LENGTH)),
        )

    @property
    def name(self) -> str:
        """The base's Hub id, or the last part of its folder."""
        path = str(getattr(self.model.config, "_name_or_path", "") or "model")
        return Path(path).name if Path(path).is_dir() else path

    @property
    def hidden_size(self) -> int:
        """Length of an embedding."""
        return self.model.config.get_text_config().hidden_size

    def view(self, *, bidirectional: bool) -> LLM2Vec:
        """The same weights read in the other (or the same) direction; nothing is loaded or copied.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> causal = LLM2Vec.from_pretrained(BUNDLED.base).view(bidirectional=False)
            >>> causal.prefix_test().is_causal
            True
        """
        if bidirectional == self.bidirectional:
            return self
        return LLM2Vec(
            self.causal_model,
            self.tokenizer,
            bidirectional=bidirectional,
            pooling_mode=self.pooling_mode,
            max_length=self.max_length,
            precision=self.precision,
        )

    def prefix_test(self) -> PrefixReport:
        """Prove by behaviour in which direction this encoder reads."""
        return prefix_test(self.model)

    def tokenize(self, texts: Sequence[str], instruction: str | None = None) -> list[TokenizedText]:
        """Tokenise as :meth:`encode` does; tells each text's length and whether it was cut."""
        return tokenize(self.tokenizer, texts, max_length=self.max_length, instruction=instruction)

    @torch.inference_mode()
    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | None = None,
        *,
        pooling_mode: str | None = None,
        normalize: bool = False,
        batch_size: int | None = None,
        max_tokens_per_batch: int | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Embed texts.

        Without an instruction every token is pooled, the begin token included, as sentence-transformers
        does; the published LLM2Vec leaves the begin token out. With an instruction only the text's own
        tokens are pooled, in both.

        Args:
            texts: one text, or several.
            instruction: put in front of each text and left out of pooling.
            pooling_mode: another one than the encoder's, for this call.
            normalize: scale each embedding to length 1.
            batch_size: at most this many texts a batch.
            max_tokens_per_batch: at most this many tokens a batch, padding included; by default what
                suits the device.
            progress: called with (texts done, texts in all) after each batch; what it raises stops
                the call.

        Returns:
            float32 of shape (texts, hidden), in the order of ``texts``; (hidden,) for one text.

        Raises:
            InputError: if an element is no string, the pooling mode is unknown, or the instruction
                leaves no room for the text.
            ModelError: if the model answers with NaN or infinity.
        """
        if isinstance(texts, str):
            return self.encode(
                [texts], instruction, pooling_mode=pooling_mode, normalize=normalize, batch_size=batch_size
            )[0]
        mode = pooling_mode or self.pooling_mode
        rows = self.tokenize(texts, instruction)
        result = self._pooled(rows, (mode,), batch_size, max_tokens_per_batch, progress)[mode]
        if normalize:
            result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
        return result

    @torch.inference_mode()
    def encode_poolings(self, texts: Sequence[str], instruction: str | None = None) -> dict[str, np.ndarray]:
        """Embed texts in every pooling mode for the price of one: the forward pass is shared.

        Args:
            texts: several texts.
            instruction: as in :meth:`encode`.

        Returns:
            By the mode's name, what :meth:`encode` would return.
        """
        return self._pooled(self.tokenize(texts, instruction), tuple(POOLING_MODES), None, None, None)

    def _pooled(
        self,
        rows: Sequence[TokenizedText],
        modes: tuple[str, ...],
        batch_size: int | None,
        max_tokens_per_batch: int | None,
        progress: Progress | None,
    ) -> dict[str, np.ndarray]:
        results = {mode: np.zeros((len(rows), self.hidden_size), dtype=np.float32) for mode in modes}
        done = 0
        budget = max_tokens_per_batch
        if budget is None:
            budget = TOKEN_BUDGET_CPU if self.model.device.type == "cpu" else TOKEN_BUDGET_GPU
        for indices in token_budget_batches([len(r.input_ids) for r in rows], budget, batch_size):
            batch = collate([rows[i] for i in indices], pad_token_id(self.tokenizer), self.model.device)
            pooling_mask = batch.pop("pooling_mask")
            states = self._fast_model(**batch, use_cache=False).last_hidden_state
            for mode in modes:
                results[mode][indices] = pool(states, pooling_mask, mode).float().cpu().numpy()
            done += len(indices)
            if progress:
                progress(done, len(rows))
        if not all(np.isfinite(result).all() for result in results.values()):
            raise ModelError("the model answered with NaN or infinity: its weights or its dtype are broken")
        return results

    @torch.inference_mode()
    def token_states(self, text: str, max_length: int | None = None) -> TokenStates:
        """The vector of each token in each layer.

        Args:
            text: one text.
            max_length: read at most this many tokens.
        """
        tokens, starts, row = self._one(text, max_length)
        output = self.model(**row, use_cache=False, output_hidden_states=True)
        states = torch.stack(output.hidden_states)[:, 0].float().cpu().numpy()  # (L + 1, T, d)
        ids = row["input_ids"][0].cpu().numpy()
        return TokenStates(tokens, starts, ids, states, self._is_truncated(text, len(ids)))

    @torch.inference_mode()
    def attentions(self, text: str, max_length: int | None = None) -> Attentions:
        """Each head's attention weights.

        Args:
            text: one text.
            max_length: read at most this many tokens.
        """
        tokens, _, row = self._one(text, max_length)
        output = self._eager_model(**row, use_cache=False, output_attentions=True)
        return Attentions(tokens, torch.stack(output.attentions)[:, 0].float().cpu().numpy())

    def save_pretrained(self, folder: str | Path, max_shard_size: str = "5GB") -> None:
        """Write weights, tokenizer and the encoder's own settings to a folder.

        A bidirectional model carries ``"is_causal": false`` in its ``config.json``: for most
        architectures plain ``transformers`` then reads in both directions as well.

        Args:
            folder: made if it does not exist.
            max_shard_size: largest weight file, as transformers understands it.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder, max_shard_size=max_shard_size)
        self.tokenizer.save_pretrained(folder)
        settings = {
            "bidirectional": self.bidirectional,
            "pooling_mode": self.pooling_mode,
            "max_length": self.max_length,
        }
        (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    @cached_property
    def _fast_model(self) -> PreTrainedModel:
        # self.model stays as it is: what the page shows and what is trained are the plain layers.
        model = shared_weights_view(self.model)
        if self.precision == "int8":
            quantize_int8(model)
        else:
            accelerate(model)
        return model

    @cached_property
    def _eager_model(self) -> PreTrainedModel:
        # Only the eager implementation keeps its attention weights.
        model = shared_weights_view(self.model)
        model.set_attn_implementation("eager")
        return model

    def _one(
        self, text: str, max_length: int | None
    ) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, torch.Tensor]]:
        limit = min(max_length or self.max_length, self.max_length)
        (row,) = tokenize(self.tokenizer, [text], max_length=limit)
        batch = collate([row], pad_token_id(self.tokenizer), self.model.device)
        batch.pop("pooling_mask")
        strings, starts = self._token_strings(clean_text(text), row.input_ids)
        return strings, starts, batch

    def _token_strings(self, text: str, ids: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        shown = text[: len(ids) * MAX_CHARACTERS_PER_TOKEN]
        spans = self.tokenizer(shown, return_offsets_mapping=True, verbose=False)["offset_mapping"][: len(ids)]
        spans = spans or [(0, 0)] * len(ids)  # an empty text's placeholder token
        special = set(self.tokenizer.all_special_ids)
        strings = []
        for token_id, (start, end) in zip(ids, spans, strict=True):
            piece = "" if token_id in special else text[start:end].strip()
            strings.append(piece or self.tokenizer.decode([token_id]).strip() or "␣")
        return tuple(strings), tuple(start for start, _ in spans)

    def _is_truncated(self, text: str, kept: int) -> bool:
        (whole,) = tokenize(self.tokenizer, [text], max_length=kept + 1)
        return len(whole.input_ids) > kept


def _merge_adapter(model: PreTrainedModel, adapter: str | Path) -> PreTrainedModel:
    # PEFT takes seconds to import and most encoders need none of it.
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise AdapterError(
            f"cannot load the adapter {_shown(adapter)} into {type(model).__name__}: it must be a PEFT folder "
            f"(adapter_config.json, adapter_model.safetensors) trained on this very base ({type(error).__name__})"
        ) from error


def _read_settings(base: str | Path) -> dict[str, Any]:
    file = Path(base) / SETTINGS_FILE
    if not file.is_file():
        return {}
    settings = json.loads(file.read_text(encoding="utf-8"))
    known = ("bidirectional", "pooling_mode", "max_length")
    return {name: settings[name] for name in known if name in settings}


def _shown(name: str | Path) -> str:
    # A message may reach a visitor: a folder's last part tells enough, a Hub id is shown whole.
    return repr(Path(name).name if Path(name).is_dir() else str(name))
