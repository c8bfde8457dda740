"""LLM2Vec: a decoder-only language model used as a text encoder.

One object holds the weights once and can look at them in two ways: causal, as the language model was
trained, and bidirectional, as LLM2Vec reads. :meth:`LLM2Vec.view` gives the other one for free.
"""

from __future__ import annotations

import copy
import logging
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar, Unpack, cast

import numpy as np
import torch
from safetensors import SafetensorError
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.acceleration import accelerate, onednn_is_faster, quantize_int8, use_bfloat16
from llm2vec_core.adapters import adapted_view, apply_adapters, merged_copy
from llm2vec_core.arguments import check_arguments
from llm2vec_core.batching import (
    Layout,
    TokenizedText,
    characters_for,
    check_ids,
    check_texts,
    clean_text,
    collate,
    embedding_rows,
    pad_token_id,
    token_budget_batches,
    tokenize,
)
from llm2vec_core.bidirectional import (
    Conversion,
    PrefixReport,
    eager_view,
    make_bidirectional,
    prefix_test,
    same_states,
    shared_weights_view,
)
from llm2vec_core.checkpoints import folder_of, hub_access, require_file, resolve, shown
from llm2vec_core.dense import DenseLayer, check_widths, save_dense
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.gguf import read_gguf
from llm2vec_core.loading import Quantization, load_config, load_model, load_tokenizer
from llm2vec_core.low_rank import low_rank_layers, put_beside
from llm2vec_core.pooling import POOLING_MODES, pool
from llm2vec_core.positions import forward, learned_positions, length_groups
from llm2vec_core.precision import OUTPUT_PRECISIONS, OutputPrecision, quantize_embeddings
from llm2vec_core.presets import find_stage
from llm2vec_core.provision import provide
from llm2vec_core.settings import DEFAULT_MAX_LENGTH, SETTING_NAMES, EncoderSettings, SettingsOverrides
from llm2vec_core.templates import find_template
from llm2vec_core.writing import check_shard_size, replace_model

Progress = Callable[[int, int], None]
_T = TypeVar("_T")
# Measured with the bundled model on two cores: 512 to 1,024 tokens a batch stay in the processor's cache and
# are a fifth faster than 4,096. A GPU wants to be filled.
TOKEN_BUDGET_CPU, TOKEN_BUDGET_GPU = 1024, 16_384
# Tokenised at a time: a text's token ids as Python numbers take ten times the memory of its embedding.
WINDOW_TEXTS = 16_384
# Fewer texts are not worth the way to another process.
FEWEST_SENT = 32


@dataclass(frozen=True)
class TokenStates:
    """What a model makes of one text, token by token.

    Attributes:
        tokens: each token as it stands in the text; special tokens by their name.
        starts: index of the character of the text at which each token starts.
        token_ids: their ids, shape (seq,).
        hidden_states: float32 of shape (layers + 1, seq, hidden); [0] are the input embeddings, [-1] is
            ``last_hidden_state``. Where a model carries several streams side by side (Gemma 3n), those between
            are the mean over the streams.
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
            token j. Each row sums to 1; to less in models with attention sinks (gpt-oss), which take the rest.
    """

    tokens: tuple[str, ...]
    weights: np.ndarray

    def future_share(self) -> np.ndarray:
        """Mean share of attention that goes to later tokens, shape (layers, heads); 0 if causal."""
        return future_share(self.weights)


def future_share(weights: np.ndarray) -> np.ndarray:
    """Mean share of attention that goes to later tokens; the last two axes are tokens."""
    return np.triu(weights, k=1).sum(axis=-1).mean(axis=-1)


class LLM2Vec:
    """A text encoder made from a decoder.

    Held against the published implementation (llm2vec 0.2.3), ids, hidden states, embeddings and losses agree; see
    ``tests/test_parity.py``. Where it goes wrong, this one does not follow:

    - Qwen2 is bidirectional here; there it stays causal.
    - A text is bidirectional alone and in a batch, whatever the attention implementation.
    - Which tokens are pooled is read off the text's character offsets. There a number of tokens is counted from the
      right, so with an instruction a neighbour's token may be taken in or an own one left out, and a long instruction
      is pooled in the text's place; here that is refused.
    - A text over ``doc_max_length`` keeps its first tokens. There it loses whole words, white space is collapsed, and a
      text without blanks (Chinese, one long word) becomes empty.
    - A text over ``max_length`` in a template loses its own end. There the template's end is cut off.
    - An empty text pools its begin token (or what stands around it). There it averages padding and so depends on its
      neighbours, and a batch of empty texts crashes.
    - Nothing in a text acts as a separator; there ``!@#$%^&*()`` is taken out of it.
    - ``encode("river")`` is one text, ``encode([])`` no row; there five rows and an IndexError.
    - Padding stands on the right, the side on which every architecture counts positions rightly by itself.
    - A sliding window is lifted by choice (``sliding_window``), there always.
    - A chat template is chosen by name, not by a path that a local folder does not have.
    - The first token is the first pooled one; there a text with ``<s>`` in it shifts the other rows.

    Args:
        model: the decoder without its language-model head, causal, in the state it was loaded in.
        tokenizer: its fast tokenizer.
        dense: layers that an embedding goes through behind pooling.
        settings: the fields of :class:`llm2vec_core.settings.EncoderSettings` that are not to be the default.

    Raises:
        InputError: for a setting that does not exist.
        ConversionError: if the model cannot be made bidirectional.
        ModelError: if the model cannot be used in the precision that was asked for.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
        >>> encoder.encode(["A river bank.", "A savings bank."]).shape
        (2, 384)
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        dense: Sequence[DenseLayer] = (),
        **settings: Unpack[SettingsOverrides],
    ) -> None:
        check_arguments(LLM2Vec.__init__, locals())
        self.settings = _checked(_with_length(settings, model))
        self.causal_model = model.eval()
        self.tokenizer = tokenizer
        self.dense = tuple(dense)
        self.model = self.causal_model
        check_widths(self.dense, self.width, self.name)
        self.conversion: Conversion | None = None
        if self.settings.bidirectional:
            # Converting a view leaves the causal model beside it untouched.
            self.model = shared_weights_view(self.causal_model)
            self.conversion = make_bidirectional(self.model, sliding_window=self.settings.sliding_window)
        if self.settings.precision != "full":
            _ = self._fast_model  # what cannot be had is said at once

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        adapters: str | Path | Sequence[str | Path] | None = (),
        *,
        dtype: torch.dtype | str | None = None,
        device: str | torch.device | None = None,
        attn_implementation: str | None = None,
        revision: str | None = None,
        quantization: Quantization | None = None,
        merge_adapters: bool | None = None,
        gguf_file: str | None = None,
        subfolder: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        device_map: Any = None,
        **settings: Unpack[SettingsOverrides],
    ) -> LLM2Vec:
        """Load an encoder from a folder or the Hub, in whatever layout it lies there.

        Args:
            source: folder or Hub id of a causal language model; of a PEFT adapter, which names its base (the
                published ``McGill-NLP/LLM2Vec-*`` repositories; their code is not run); of a
                sentence-transformers model; a GGUF file, or a folder with one; or a folder of
                :meth:`save_pretrained`.
            adapters: folders or Hub ids of more PEFT adapters, put on top in this order.
            dtype: of the weights; by default float32 on a CPU (half precision crawls there) and the
                stored one elsewhere.
            device: by default a GPU if there is one.
            attn_implementation: by default the best that the architecture has.
            revision: of a Hub source.
            quantization: "4bit" or "8bit", where bitsandbytes is installed.
            merge_adapters: write the adapters into the weights; by default so, unless these are quantized.
            gguf_file: name of the GGUF file, where the source holds several.
            subfolder: of the source, where the model lies.
            token: for gated and private repositories; by default the one of ``hf auth login``.
            cache_dir: where the Hub's files are cached, instead of the usual place.
            device_map: as for transformers, where everything comes to lie on one device ("auto" on a machine with
                one GPU); ``device`` is left aside then.
            settings: fields of :class:`llm2vec_core.settings.EncoderSettings`; by default what the source says,
                else the field's default, ``max_length`` at most the model's context.

        Returns:
            The encoder, in evaluation mode.

        Raises:
            ModelError: if the model cannot be loaded; the message says what to do. Only safetensors and GGUF are
                read: no pickled weights, no code from the model's repository.
            MissingPackageError: for a GGUF file, if the package ``gguf`` is not installed.
            AdapterError: if an adapter does not belong to the base.
            ConversionError: if the architecture cannot be made bidirectional.
            InputError: for a setting that does not exist, or a name that is none.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base, BUNDLED.stage("mntp").adapters)
            >>> encoder.prefix_test().is_bidirectional
            True
        """
        check_arguments(LLM2Vec.from_pretrained, locals(), leave=("dtype",))
        # A single name would else be taken for a list of its letters.
        names = [adapters] if isinstance(adapters, (str, Path)) else list(adapters or ())
        with hub_access(token=token, cache_dir=cache_dir):
            source = folder_of(source, subfolder, revision) if subfolder else source
            return cls._load(
                source,
                tuple(map(str, names)),
                find_device(device),
                dtype,
                attn_implementation,
                None if subfolder else revision,
                quantization,
                merge_adapters,
                gguf_file,
                device_map,
                settings,
            )

    @classmethod
    def _load(
        cls,
        source: str | Path,
        adapters: tuple[str, ...],
        device: torch.device,
        dtype: torch.dtype | str | None,
        attn_implementation: str | None,
        revision: str | None,
        quantization: Quantization | None,
        merge_adapters: bool | None,
        gguf_file: str | None,
        device_map: Any,
        settings: SettingsOverrides,
    ) -> LLM2Vec:
        # A default prompt may be one of the source's own, which are not read yet.
        _checked({name: value for name, value in settings.items() if name != "default_prompt_name"})
        dtype = _dtype(dtype, device)
        source = provide(source)
        found = resolve(source, adapters, revision, gguf_file)
        # A revision is the source's own: what it points to has others.
        base_revision = revision if found.base == str(source) else None
        gguf = read_gguf(require_file(found.base, found.gguf_file, base_revision)) if found.gguf_file else None
        config = load_config(found.base, base_revision, gguf)
        model = load_model(
            found.base,
            config,
            dtype=dtype,
            device=device,
            attn_implementation=attn_implementation,
            revision=base_revision,
            quantization=quantization,
            gguf=gguf,
            device_map=device_map,
        )
        tokenizer = load_tokenizer(
            found.tokenizer,
            revision if found.tokenizer == str(source) else None,
            gguf if found.tokenizer == found.base else None,
            lower_case=found.lower_case,
        )
        merge = quantization is None if merge_adapters is None else merge_adapters
        model = apply_adapters(model, found.adapters, merge=merge)
        limit = DEFAULT_MAX_LENGTH if found.tokenizer_limit is None else found.tokenizer_limit
        context = getattr(config.get_text_config(), "max_position_embeddings", None) or limit
        known: dict[str, Any] = {"max_length": min(context, limit)} | found.settings
        if (positions := learned_positions(model)) and isinstance(known["max_length"], int):
            known["max_length"] = min(known["max_length"], positions)
        known |= settings
        if not found.direction_known and "bidirectional" not in settings:
            logging.getLogger(__name__).warning(
                "%s was published with code of its own and its config.json does not say is_causal: in which direction "
                "its authors read it is unknown. It is read %s here; choose with bidirectional=True or False",
                shown(found.base), "in both directions" if known.get("bidirectional", True) else "causally",
            )  # fmt: skip
        return cls(model, tokenizer, dense=found.dense, **known)

    @classmethod
    def from_preset(cls, name: str, **options: Any) -> LLM2Vec:
        """Load a stage of a preset of :data:`llm2vec_core.presets.PRESETS`.

        Args:
            name: ``"mini"`` for its last stage, ``"mini:mntp"`` for a stage by its key.
            options: as for :meth:`from_pretrained`; they go before the preset's own.

        Raises:
            InputError: if there is no such preset or stage.

        Example:
            >>> LLM2Vec.from_preset("mini:causal").prefix_test().is_causal
            True
        """
        preset, stage = find_stage(name)
        return cls.from_pretrained(
            preset.base, stage.adapters, **{"bidirectional": stage.bidirectional, **preset.settings, **options}
        )

    @property
    def name(self) -> str:
        """The base's Hub id, or the last part of its folder."""
        path = str(getattr(self.model.config, "_name_or_path", "") or "model")
        return Path(path).name if Path(path).is_dir() else path

    @property
    def hidden_size(self) -> int:
        """Length of an embedding."""
        width = self.dense[-1].width if self.dense else self.width
        return min(width, self.settings.truncate_dim or width)

    @property
    def width(self) -> int:
        """Length of a token's vector."""
        config = self.model.config.get_text_config()
        # OPT-350m projects its states back to the width of its token embeddings.
        return getattr(config, "word_embed_proj_dim", None) or config.hidden_size

    @property
    def prompts(self) -> Mapping[str, str]:
        """Prompts by name, to the letter."""
        return self.settings.prompts

    def view(self, *, bidirectional: bool) -> LLM2Vec:
        """The same weights read in the other (or the same) direction; nothing is loaded or copied.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> causal = LLM2Vec.from_pretrained(BUNDLED.base).view(bidirectional=False)
            >>> causal.prefix_test().is_causal
            True
        """
        check_arguments(LLM2Vec.view, locals())
        return self.with_settings(bidirectional=bidirectional)

    def with_settings(self, **changes: Unpack[SettingsOverrides]) -> LLM2Vec:
        """The same weights read or pooled in another way; nothing is loaded or copied.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> echo = LLM2Vec.from_pretrained(BUNDLED.base).with_settings(bidirectional=False, template="echo")
            >>> echo.encode("The bank was robbed.").shape
            (384,)
        """
        settings: dict[str, Any] = asdict(self.settings) | changes
        if _checked(_with_length(settings, self.causal_model)) == self.settings:
            return self
        same_mask = all(settings[name] == getattr(self.settings, name) for name in ("bidirectional", "sliding_window"))
        if not same_mask:
            return LLM2Vec(self.causal_model, self.tokenizer, dense=self.dense, **settings)
        other = copy.copy(self)
        other.settings = _checked(settings)
        if other.settings.precision != self.settings.precision:
            other.__dict__.pop("_fast_model", None)
            _ = other._fast_model
        return other

    def with_adapters(self, adapters: Sequence[str]) -> LLM2Vec:
        """The same weights with adapters beside them, for inference; nothing is merged, the encoder stays as it was.

        Plain LoRA changes what a linear layer makes of each token by itself, and never which token sees which: what was
        proven of this encoder's direction holds for the result. With adapters of any other kind it is proven anew.

        Args:
            adapters: folders or Hub ids of PEFT adapters, one on top of the other.

        Raises:
            AdapterError: if one does not belong to the base, or cannot stand beside another.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> base = LLM2Vec.from_pretrained(BUNDLED.base)
            >>> mntp = base.with_adapters(BUNDLED.stage("mntp").adapters)
            >>> mntp.model.embed_tokens.weight is base.model.embed_tokens.weight, mntp.prefix_test().is_bidirectional
            (True, True)
        """
        check_arguments(LLM2Vec.with_adapters, locals())
        if not adapters:
            return self
        model = adapted_view(self.causal_model, adapters)
        layers = low_rank_layers(model)
        if not layers:
            return LLM2Vec(model, self.tokenizer, dense=self.dense, **_fields_of(self.settings))
        other = copy.copy(self)
        for name in ("_fast_layers", "_eager_model", "_copies"):
            other.__dict__.pop(name, None)
        other.causal_model = other.model = model
        if self.model is not self.causal_model:
            other.model = shared_weights_view(self.model)
            for name, layer in layers.items():
                put_beside(other.model, name, layer.down, layer.up)
        if self.settings.precision != "full":
            _ = other._fast_model
        return other

    @property
    def bidirectional(self) -> bool:
        """Whether attention is open in both directions."""
        return self.settings.bidirectional

    @property
    def pooling_mode(self) -> str:
        """How token vectors become one."""
        return self.settings.pooling_mode

    @property
    def max_length(self) -> int:
        """Tokens that are read at most."""
        return self.settings.max_length

    def prefix_test(self) -> PrefixReport:
        """Prove by behaviour in which direction this encoder reads."""
        return prefix_test(self.model)

    def tokenize(
        self, texts: Sequence[str], instruction: str | None = None, prompt: str | None = None
    ) -> list[TokenizedText]:
        """Tokenise as :meth:`encode` does; tells each text's length and whether it was cut.

        Raises:
            InputError: also if a text holds a token that the model has no embedding for.
        """
        check_arguments(LLM2Vec.tokenize, locals(), leave=("texts",))
        if instruction is None and prompt is None:
            prompt = self.settings.prompt(None)
        rows = tokenize(
            self.tokenizer,
            texts,
            max_length=self.max_length,
            instruction=instruction,
            prompt=prompt,
            layout=self._layout,
        )
        check_ids(rows, self.tokenizer, embedding_rows(self.model))
        return rows

    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | None = None,
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        pooling_mode: str | None = None,
        normalize: bool | None = None,
        truncate_dim: int | None = None,
        precision: OutputPrecision = "float32",
        ranges: np.ndarray | None = None,
        convert_to_tensor: bool = False,
        batch_size: int | None = None,
        max_tokens_per_batch: int | None = None,
        devices: str | torch.device | Sequence[str | torch.device] | None = None,
        pool: Pool | None = None,
        show_progress_bar: bool = False,
        progress: Progress | None = None,
    ) -> Any:
        """Embed texts.

        Without an instruction every token is pooled, the begin token included, as sentence-transformers
        does (``skip_begin_token=True`` leaves it out, as the published LLM2Vec does). With an instruction only
        the text's own tokens are pooled, unless ``skip_instruction=False``. Texts are tokenised some thousands at a
        time, so a million of them take little more memory than their embeddings.

        Args:
            texts: one text, or several; every option holds for both.
            instruction: put in front of each text, one blank between, and left out of pooling.
            prompt: put in front of each text to the letter, as sentence-transformers does; "" for none, where the
                encoder has a default prompt.
            prompt_name: of a stored prompt.
            pooling_mode: another one than the encoder's, for this call.
            normalize: scale each embedding to length 1; by default as the encoder's setting says.
            truncate_dim: keep only the first numbers of each embedding; by default as the encoder's setting says.
            precision: of the result: "float32", "int8", "uint8", "binary" or "ubinary"; see
                :func:`llm2vec_core.precision.quantize_embeddings`.
            ranges: for "int8" and "uint8", the smallest and largest value of each dimension, shape (2, hidden).
            convert_to_tensor: return a torch tensor on the encoder's device.
            batch_size: at most this many texts a batch.
            max_tokens_per_batch: at most this many tokens a batch, padding included; by default what
                suits the device.
            devices: encode on several at once, such as ["cuda:0", "cuda:1"]; each other device than the encoder's
                gets a copy of the model, which is kept for the next call.
            pool: processes of :meth:`start_pool` that encode instead of this one.
            show_progress_bar: on standard error.
            progress: called with (texts done, texts in all) after each batch; what it raises stops
                the call.

        Returns:
            float32 of shape (texts, hidden), in the order of ``texts``; (hidden,) for one text. Another type and
            width if ``precision``, ``truncate_dim`` or ``convert_to_tensor`` say so.

        Raises:
            InputError: if an element is no string, the pooling mode or the prompt's name is unknown, what stands
                in front leaves no room for the text, or an option has a value that does not exist.
            ModelError: if the model answers with NaN or infinity.
            WorkerError: if a process of the pool has ended.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
            >>> encoder.encode("A river bank.", precision="binary", truncate_dim=64).shape
            (8,)
        """
        check_arguments(LLM2Vec.encode, locals(), leave=("texts", "truncate_dim", "precision", "pool", "progress"))
        one = isinstance(texts, str)
        several: Sequence[str] = [texts] if isinstance(texts, str) else texts
        if not isinstance(precision, str) or precision not in OUTPUT_PRECISIONS:
            raise InputError(f"unknown precision {precision!r}; choose one of {', '.join(OUTPUT_PRECISIONS)}")
        if pool is not None and not hasattr(pool, "readers"):
            raise InputError(f"pool {pool!r:.60} is none: start_pool makes one")
        if progress is not None and not callable(progress):
            raise InputError(f"progress {progress!r:.60} must be a function of (texts done, texts in all)")
        if truncate_dim is not None and (type(truncate_dim) is not int or truncate_dim < 1):
            raise InputError(f"truncate_dim {truncate_dim!r} must be a whole number of at least 1")
        mode = pooling_mode or self.pooling_mode
        if prompt is None and prompt_name is not None:
            prompt = self.settings.prompt(prompt_name)
        self._refuse_weights_behind_prompt(mode, instruction, prompt)
        with _progress_bar(show_progress_bar, progress) as told:
            run = Run((mode,), instruction, prompt, batch_size, max_tokens_per_batch, told)
            result = self._pooled(several, run, devices, pool)[mode]
        result = self._finished(result, normalize, truncate_dim)
        if precision != "float32":
            result = quantize_embeddings(result[0] if one else result, precision, ranges)
        elif one:
            result = result[0]
        return torch.from_numpy(result).to(self.model.device) if convert_to_tensor else result

    def encode_query(self, texts: str | Sequence[str], instruction: str | None = None, **options: Any) -> Any:
        """Embed queries: as :meth:`encode`, behind the prompt that is stored as "query" if there is one.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base, prompts={"query": "Find: "})
            >>> (encoder.encode_query("river") == encoder.encode("river", prompt="Find: ")).all().item()
            True
        """
        check_arguments(LLM2Vec.encode_query, locals(), leave=("texts",))
        return self.encode(texts, instruction, **self._with_prompt(("query",), instruction, options))

    def encode_document(self, texts: str | Sequence[str], instruction: str | None = None, **options: Any) -> Any:
        """Embed documents: as :meth:`encode`, behind the stored prompt "document", "passage" or "corpus" if any."""
        check_arguments(LLM2Vec.encode_document, locals(), leave=("texts",))
        names = ("document", "passage", "corpus")
        return self.encode(texts, instruction, **self._with_prompt(names, instruction, options))

    def _with_prompt(
        self, names: tuple[str, ...], instruction: str | None, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        stored = next((name for name in names if name in self.prompts), None)
        given = instruction is not None or options.get("prompt") is not None or options.get("prompt_name") is not None
        return options if given or stored is None else {**options, "prompt_name": stored}

    def similarity(self, left: Any, right: Any) -> Any:
        """The cosine of each embedding with each other one.

        Args:
            left: of shape (texts, hidden) or (hidden,), arrays or tensors.
            right: likewise.

        Returns:
            float32 of shape (texts of left, texts of right); a tensor if ``left`` is one.

        Raises:
            InputError: if the embeddings differ in length.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
            >>> embeddings = encoder.encode(["A river.", "A bank."])
            >>> encoder.similarity(embeddings, embeddings).diagonal().round(4).tolist()
            [1.0, 1.0]
        """
        try:
            sides = [torch.as_tensor(side).float() for side in (left, right)]
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"similarity compares embeddings, of shape (texts, hidden), not {type(left).__name__} and "
                f"{type(right).__name__}: encode the texts first"
            ) from error
        sides = [side[None] if side.ndim == 1 else side for side in sides]
        if sides[0].ndim != 2 or sides[1].ndim != 2 or sides[0].shape[1] != sides[1].shape[1]:
            shapes = " and ".join(str(tuple(side.shape)) for side in sides)
            raise InputError(f"embeddings of shapes {shapes}; expected (texts, hidden) with the same hidden")
        units = [torch.nn.functional.normalize(side.to(sides[0].device), dim=-1) for side in sides]
        cosines = units[0] @ units[1].T
        return cosines if isinstance(left, torch.Tensor) else cosines.cpu().numpy()

    def to(self, device: str | torch.device) -> LLM2Vec:
        """Move the model to another device, in place; other views of the same weights have to be made anew.

        Raises:
            InputError: if there is no such device.
            ModelError: if the model is quantized, so that it cannot move.
        """
        check_arguments(LLM2Vec.to, locals())
        device = find_device(device)
        try:
            for model in {id(model): model for model in (self.causal_model, self.model)}.values():
                model.to(device)
        except ValueError as error:
            raise ModelError(f"this model cannot move to {str(device)!r}: {error}") from error
        for name in ("_fast_layers", "_eager_model", "_copies"):
            self.__dict__.pop(name, None)
        return self

    @cached_property
    def _copies(self) -> dict[str, tuple[int, Any]]:
        return {}

    def _current(self, name: str, make: Callable[[], _T]) -> _T:
        """Something that holds weights of its own, made anew once the encoder's have been written (trained, say)."""
        version = weights_version(self.causal_model)
        found = self._copies.get(name)
        if found is None or found[0] != version:
            found = self._copies[name] = (version, make())
        made: _T = found[1]
        return made

    @property
    def _replicas(self) -> dict[torch.device, LLM2Vec]:
        return self._current("replicas", dict)

    def _on(self, device: torch.device) -> LLM2Vec:
        if device == self.model.device:
            return self
        replicas = self._replicas
        if device not in replicas:
            model = copy.deepcopy(self.causal_model).to(device)
            replicas[device] = LLM2Vec(model, self.tokenizer, dense=self.dense, **_fields_of(self.settings))
        replica = replicas[device]
        return replica if replica.settings == self.settings else replica.with_settings(**_fields_of(self.settings))

    @torch.inference_mode()
    def encode_poolings(self, texts: Sequence[str], instruction: str | None = None) -> dict[str, np.ndarray]:
        """Embed texts in every pooling mode for the price of one: the forward pass is shared.

        Args:
            texts: several texts.
            instruction: as in :meth:`encode`.

        Returns:
            By the mode's name, what :meth:`encode` would return.
        """
        check_arguments(LLM2Vec.encode_poolings, locals(), leave=("texts",))
        pooled = self._pooled(texts, Run(tuple(POOLING_MODES), instruction), None)
        return {mode: self._finished(result, None) for mode, result in pooled.items()}

    def _finished(self, embeddings: np.ndarray, normalize: bool | None, truncate_dim: int | None = None) -> np.ndarray:
        """Through the Dense layers, scaled and cut as the settings and the call say."""
        for layer in self.dense:
            embeddings = layer(embeddings)
        if normalize is None and self.settings.normalize:
            # As a Normalize module does, before anything is cut off.
            embeddings = _unit(embeddings)
        embeddings = embeddings[:, : truncate_dim or self.settings.truncate_dim]
        return _unit(embeddings) if normalize else embeddings

    def _refuse_weights_behind_prompt(self, mode: str, instruction: str | None, prompt: str | None) -> None:
        stands_before = prompt if prompt is not None or instruction is not None else self.settings.prompt(None)
        if stands_before and mode == "weighted_mean" and self.settings.skip_instruction:
            raise InputError(
                "weighted_mean behind a prompt that is left out of pooling: sentence-transformers counts the weights "
                "from the prompt's first token, we from the text's; give it as instruction=..., or set "
                "skip_instruction=False"
            )

    def _pooled(
        self,
        texts: Sequence[str],
        run: Run,
        devices: str | torch.device | Sequence[str | torch.device] | None = None,
        pool: Pool | None = None,
    ) -> dict[str, np.ndarray]:
        texts = check_texts(texts)  # said before an hour's work, not behind it
        count = len(texts)
        results = {mode: np.zeros((count, self.width), dtype=np.float32) for mode in run.modes}
        told = Told(run.progress, count)
        encoders: Sequence[_Pooler] = [self]
        if pool is not None:
            encoders = pool.readers(self)
        elif devices:
            devices = [devices] if isinstance(devices, (str, torch.device)) else devices
            encoders = [self._on(find_device(device)) for device in devices]
        # A process tells of a window when it is done, so it gets several.
        share = -(-count // len(encoders)) if pool is None else max(FEWEST_SENT, -(-count // (4 * len(encoders))))
        starts = range(0, count, max(1, min(WINDOW_TEXTS, share)))

        def window(encoder: _Pooler, start: int) -> None:
            part = {mode: rows[start : start + starts.step] for mode, rows in results.items()}
            encoder.pool_window(texts[start : start + starts.step], run, part, told)

        if len(encoders) == 1:
            for start in starts:
                window(encoders[0], start)
        else:
            _share_out(window, encoders, starts, pool)
        if not all(np.isfinite(result).all() for result in results.values()):
            raise ModelError("the model answered with NaN or infinity: its weights or its dtype are broken")
        return results

    @torch.inference_mode()
    def pool_window(self, texts: Sequence[str], run: Run, results: Mapping[str, np.ndarray], told: Told) -> None:
        """Read some texts and write what their tokens are pooled to into rows of the results; a step of encode."""
        rows = self.tokenize(texts, run.instruction, run.prompt)
        budget = run.max_tokens_per_batch
        if budget is None:
            budget = TOKEN_BUDGET_CPU if self.model.device.type == "cpu" else TOKEN_BUDGET_GPU
        lengths = np.array([len(row.input_ids) for row in rows], dtype=np.int64)
        for indices in (
            group[batch]
            for group in length_groups(self.model, lengths)
            for batch in token_budget_batches(lengths[group], budget, run.batch_size)
        ):
            batch = collate([rows[i] for i in indices], self._pad_id, self.model.device)
            pooling_mask = batch.pop("pooling_mask")
            states = forward(self._fast_model, batch).last_hidden_state
            for mode in run.modes:
                results[mode][indices] = pool(states, pooling_mask, mode).float().cpu().numpy()
            told.more(len(indices))

    def token_states(self, text: str, max_length: int | None = None) -> TokenStates:
        """The vector of each token in each layer.

        Args:
            text: one text.
            max_length: read at most this many tokens.
        """
        return self.all_token_states([text], max_length)[0]

    @torch.inference_mode()
    def all_token_states(self, texts: Sequence[str], max_length: int | None = None) -> list[TokenStates]:
        """:meth:`token_states` of several texts that are read side by side, in one forward pass.

        Args:
            texts: a few; all their layers' states are held in memory at once.
            max_length: read at most this many tokens of each.

        Example:
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
            >>> [len(states.tokens) for states in encoder.all_token_states(["A river.", "A river bank."])]
            [4, 5]
        """
        rows = self._rows(texts, max_length)
        found: dict[int, TokenStates] = {}
        for group in length_groups(self.model, [len(row.input_ids) for row in rows]):
            batch = self._batch([rows[i] for i in group])
            output = forward(self.model, batch, output_hidden_states=True)
            for place, i in enumerate(group.tolist()):
                states = self._stacked(output, place, len(rows[i].input_ids), len(group))
                tokens, starts = self._token_strings(clean_text(texts[i]), rows[i].input_ids)
                ids = np.array(rows[i].input_ids, dtype=np.int64)
                found[i] = TokenStates(tokens, starts, ids, states, self._is_truncated(texts[i], len(ids)))
        return [found[i] for i in range(len(rows))]

    def _stacked(self, output: Any, place: int, length: int, rows: int) -> np.ndarray:
        """One text's states in a model's output, (layers + 1, tokens, hidden)."""
        width = output.last_hidden_state.shape[1]
        last = output.last_hidden_state[place, :length]  # (T, d)
        layers = [_one_stream(states, place, rows, width)[:length] for states in output.hidden_states[:-1]]
        if any(states.shape != last.shape for states in layers):
            widths = sorted({states.shape[-1] for states in (*layers, last)})
            raise ModelError(
                f"{self.model.config.model_type} has states of {' and '.join(map(str, widths))} numbers in one model: "
                "its layers cannot be laid side by side"
            )
        return torch.stack([*layers, last]).float().cpu().numpy()

    @torch.inference_mode()
    def attentions(self, text: str, max_length: int | None = None) -> Attentions:
        """Each head's attention weights.

        Args:
            text: one text.
            max_length: read at most this many tokens.

        Raises:
            ModelError: if the architecture gives no attention weights, or others than those of its forward pass.
        """
        tokens, _, row = self._one(text, max_length)
        output = forward(self._eager_model, row, output_attentions=True)
        weights = [w for w in output.attentions or () if w is not None]
        same = forward(self.model, row).last_hidden_state
        if not weights or len({w.shape for w in weights}) > 1:
            raise ModelError(f"{self.model.config.model_type} gives no attention weights of one shape for every layer")
        # Through thirty layers the rounding of single tokens grows: on emoji SmolLM2's were 1.7e-4 apart.
        if not same_states(output.last_hidden_state, same, outliers=10):
            raise ModelError(
                f"the eager attention of {self.model.config.model_type} gives other states than "
                f"{self.model.config._attn_implementation}: its weights are not those of this model's forward pass"
            )
        return Attentions(tokens, torch.stack(weights)[:, 0].float().cpu().numpy())

    def save_pretrained(self, folder: str | Path, max_shard_size: str = "5GB") -> None:
        """Write weights, tokenizer and the encoder's own settings to a folder.

        A bidirectional model carries ``"is_causal": false`` in its ``config.json``: for most
        architectures plain ``transformers`` then reads in both directions as well. A model that was in the folder
        (shards, an adapter, a sentence-transformers layout) is replaced, once everything is written; other files stay.

        Args:
            folder: made if it does not exist.
            max_shard_size: of the weight files.

        Raises:
            ModelError: if the weights are quantized, or the disk is full.

        Example:
            >>> import tempfile
            >>> from llm2vec_core.presets import BUNDLED
            >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     encoder.save_pretrained(folder)
            ...     LLM2Vec.from_pretrained(folder).bidirectional
            True
        """
        check_arguments(LLM2Vec.save_pretrained, locals())
        check_shard_size(max_shard_size)
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as place:
                stage = Path(place) / "new"
                merged_copy(self.model).save_pretrained(stage, max_shard_size=max_shard_size)
                self.tokenizer.save_pretrained(stage)
                self.settings.save(stage)
                save_dense(self.dense, stage)
                replace_model(stage, folder)
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"cannot write the model to {folder.name!r} ({error}): nothing that was there has changed; "
                "make room or "
                "choose another folder"
            ) from error

    def start_pool(self, devices: Sequence[str | torch.device]) -> Any:
        """Start processes that encode side by side; see :class:`llm2vec_core.worker_pool.WorkerPool`.

        Args:
            devices: one a process, such as ["cuda:0", "cuda:1"], or ["cpu", "cpu"] for two on the processors.

        Returns:
            The pool, for ``encode(texts, pool=pool)``; as a context manager it ends the processes when it is left::

                with encoder.start_pool(["cpu", "cpu"]) as pool:
                    embeddings = encoder.encode(texts, pool=pool)
        """
        check_arguments(LLM2Vec.start_pool, locals())
        return _above("worker_pool").WorkerPool(self, devices)

    def to_sentence_transformer(self, **options: Any) -> Any:
        """This encoder as a ``SentenceTransformer``; see :func:`llm2vec_core.export.to_sentence_transformer`."""
        return _above("export").to_sentence_transformer(self, **options)

    def export_sentence_transformers(self, folder: str | Path, **options: Any) -> Any:
        """Write a plain sentence-transformers folder; see :func:`llm2vec_core.export.export_sentence_transformers`."""
        return _above("export").export_sentence_transformers(self, folder, **options)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload this encoder with a model card; see :func:`llm2vec_core.hub.push_to_hub`."""
        return _above("hub").push_to_hub(self, repo_id, **options)

    def as_mteb_encoder(self, **options: Any) -> Any:
        """This encoder as mteb takes one; see :func:`llm2vec_core.evaluation.mteb_adapter.as_mteb_encoder`."""
        return _above("evaluation.mteb_adapter").as_mteb_encoder(self, **options)

    @property
    def _pad_id(self) -> int:
        # A pad token that was added later may lie beyond the embedding rows; masked, any other id will do.
        pad = pad_token_id(self.tokenizer)
        return pad if pad < self.model.get_input_embeddings().weight.shape[0] else 0

    @property
    def _layout(self) -> Layout:
        settings = self.settings
        return Layout(
            template=find_template(settings.template),
            suffix=self._end_text if settings.append_eos else "",
            doc_max_length=settings.doc_max_length,
            skip_instruction=settings.skip_instruction,
            skip_begin_token=settings.skip_begin_token,
        )

    @property
    def _end_text(self) -> str:
        """The tokenizer's end token as text; behind a blank where it is ``</s>``, as the published package has it."""
        end = self.tokenizer.eos_token
        if not end:
            raise InputError("append_eos: this tokenizer has no end token")
        if find_template(self.settings.template).form.endswith(end):
            return ""
        return f" {end}" if end == "</s>" else end

    @property
    def _fast_model(self) -> PreTrainedModel:
        # self.model stays as it is: what the page shows and what is trained are the plain layers.
        precision = self.settings.precision
        return self._fast_layers if precision == "full" else self._current(precision, self._in_fewer_bits)

    def _in_fewer_bits(self) -> PreTrainedModel:
        change = {"int8": quantize_int8, "bfloat16": use_bfloat16}[self.settings.precision]
        change(model := shared_weights_view(self.model))
        return model

    @cached_property
    def _fast_layers(self) -> PreTrainedModel:
        if self.model.device.type != "cpu" or self.model.dtype != torch.float32 or not onednn_is_faster():
            return self.model
        accelerate(model := shared_weights_view(self.model))
        return model

    @cached_property
    def _eager_model(self) -> PreTrainedModel:
        # Only the eager implementation keeps its attention weights; some types open otherwise there, so convert anew.
        model = eager_view(self.causal_model)
        if self.settings.bidirectional:
            # Opening without proof takes a tenth of the time, and agreement with the proven model is a proof.
            opened = make_bidirectional(model, sliding_window=self.settings.sliding_window, verify=False)
            if not self._reads_alike(model):
                opened.undo()
                make_bidirectional(model, sliding_window=self.settings.sliding_window)
        return model

    def _reads_alike(self, model: PreTrainedModel) -> bool:
        _, _, row = self._one("One text, read by two models.", None)
        try:
            states = forward(model, row).last_hidden_state
        except Exception:  # whatever an unproven forward pass runs into
            return False
        return same_states(states, forward(self.model, row).last_hidden_state)

    def _one(
        self, text: str, max_length: int | None
    ) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, torch.Tensor]]:
        (row,) = self._rows([text], max_length)
        strings, starts = self._token_strings(clean_text(text), row.input_ids)
        return strings, starts, self._batch([row])

    def _rows(self, texts: Sequence[str], max_length: int | None) -> list[TokenizedText]:
        if max_length is not None and (type(max_length) is not int or max_length < 1):
            raise InputError(f"max_length {max_length!r} must be a whole number of at least 1")
        rows = tokenize(self.tokenizer, texts, max_length=min(max_length or self.max_length, self.max_length))
        check_ids(rows, self.tokenizer, embedding_rows(self.model))
        return rows

    def _batch(self, rows: Sequence[TokenizedText]) -> dict[str, torch.Tensor]:
        batch = collate(rows, self._pad_id, self.model.device)
        batch.pop("pooling_mask")
        return batch

    def _token_strings(self, text: str, ids: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        shown = text[: characters_for(self.tokenizer, text, len(ids))]
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


class _Pooler(Protocol):
    """This encoder, one on another device, or one in a process of its own."""

    def pool_window(self, texts: Sequence[str], run: Run, results: Mapping[str, np.ndarray], told: Told) -> None: ...


class Pool(Protocol):
    """Processes that encode; a :class:`llm2vec_core.worker_pool.WorkerPool`."""

    def readers(self, encoder: LLM2Vec) -> Sequence[_Pooler]:
        """One a process, each reading as this encoder does."""

    def close(self) -> None:
        """End every process."""


@dataclass(frozen=True)
class Run:
    """The options of one call that reach the batches."""

    modes: tuple[str, ...]
    instruction: str | None = None
    prompt: str | None = None
    batch_size: int | None = None
    max_tokens_per_batch: int | None = None
    progress: Progress | None = None


class Told:
    """Counts the texts that are done, from several threads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = threading.Lock()

    def more(self, texts: int) -> None:
        """So many more texts are done."""
        with self._lock:
            self._done += texts
            if self._progress:
                self._progress(self._done, self._total)


def _share_out(
    window: Callable[[_Pooler, int], None], encoders: Sequence[_Pooler], starts: Iterable[int], pool: Pool | None
) -> None:
    """Let each encoder take the next window as soon as it is free."""
    todo = queue.SimpleQueue[int]()
    for start in starts:
        todo.put(start)
    failed = threading.Event()

    def work(encoder: _Pooler) -> None:
        while not failed.is_set():
            try:
                start = todo.get_nowait()
            except queue.Empty:
                return
            try:
                window(encoder, start)
            except BaseException:
                failed.set()
                raise

    with ThreadPoolExecutor(len(encoders)) as threads:
        futures = [threads.submit(work, encoder) for encoder in encoders]
        try:
            for future in futures:
                future.result()
        except BaseException as error:
            failed.set()  # Ctrl-C reaches this thread alone
            if pool is not None and not isinstance(error, Exception):
                pool.close()
            raise


@contextmanager
def _progress_bar(shown: bool, progress: Progress | None) -> Iterator[Progress | None]:
    if not shown:
        yield progress
        return
    with tqdm(unit=" texts", file=sys.stderr, dynamic_ncols=True) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if progress:
                progress(done, total)

        yield told


def _fields_of(settings: EncoderSettings) -> SettingsOverrides:
    return cast(SettingsOverrides, {name: getattr(settings, name) for name in SETTING_NAMES})


def _above(module: str) -> ModuleType:
    """A module that builds on this one; found when it is called for, so that imports only ever go down."""
    return import_module(f"llm2vec_core.{module}")


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def weights_version(model: PreTrainedModel) -> int:
    """A number that grows whenever a weight is written in place.

    Example:
        >>> from llm2vec_core.architectures import tiny_model
        >>> model = tiny_model("llama")
        >>> before = weights_version(model)
        >>> with torch.no_grad():
        ...     _ = model.norm.weight.mul_(2)
        >>> weights_version(model) > before
        True
    """
    return sum(weight._version for weight in model.parameters() if not weight.is_inference())


def gpu_is_lent() -> bool:
    """Whether this is a ZeroGPU Space: torch then speaks of a GPU, which only a call that borrows it can use."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def find_device(device: str | torch.device | None) -> torch.device:
    """The device of a name; of None a GPU if there is one to stay.

    Raises:
        InputError: if there is no such device here.
    """
    try:
        found = torch.device(device or ("cuda" if torch.cuda.is_available() and not gpu_is_lent() else "cpu"))
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}: cpu, cuda, cuda:0, mps") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {str(device)!r} is asked for, but there is no CUDA GPU here: take cpu")
    return found


def _with_length(settings: Mapping[str, Any], model: PreTrainedModel) -> dict[str, Any]:
    """The settings with a ``max_length`` that the model can read."""
    positions, asked = learned_positions(model), settings.get("max_length")
    if positions is None:
        return dict(settings)
    if isinstance(asked, int) and asked > positions:
        raise InputError(f"max_length {asked} is more than the {positions} positions that this model has learned")
    return {"max_length": min(positions, DEFAULT_MAX_LENGTH), **settings}


def _one_stream(states: torch.Tensor, row: int, rows: int, width: int) -> torch.Tensor:
    """Of (B, T, d), or several streams (S, B, T, d) or (B, T, S, d), one row: (T, d)."""
    if states.ndim == 3:
        return states[row]
    return states[:, row].mean(0) if states.shape[1:3] == (rows, width) else states[row].mean(1)


def _dtype(dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype | str:
    if dtype is None:
        return torch.float32 if device.type == "cpu" else "auto"
    names = ("float32", "bfloat16", "float16", "float64")
    known = isinstance(dtype, (str, torch.dtype))
    if known and (dtype == "auto" or dtype in names or dtype in [getattr(torch, name) for name in names]):
        return dtype
    raise InputError(f"unknown dtype {dtype!r}; choose one of auto, {', '.join(names)}")


def _checked(settings: Mapping[str, Any]) -> EncoderSettings:
    unknown = [name for name in settings if name not in SETTING_NAMES]
    if unknown:
        raise InputError(f"unknown setting {unknown[0]!r}; choose of {', '.join(SETTING_NAMES)}")
    return EncoderSettings(**settings)
