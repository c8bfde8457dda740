"""Encoders as the page knows them: the options of its pickers, and a handle on the one that was picked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from llm2vec_core.arguments import short
from llm2vec_core.cache import Cache
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.presets import MINILM, ModelPreset
from llm2vec_core.protocol import Encoder
from llm2vec_core.provision import how_to_get, installed_folder
from llm2vec_core.ui.user_texts import Texts

T = TypeVar("T")

# In addresses and picker values.
USER_ADAPTER = "own"
USER_LABEL = "Your adapter"


@dataclass(frozen=True)
class EncoderOption:
    """One encoder that a picker offers.

    Attributes:
        key: in code, addresses and tests.
        label: shown to people.
        direction: "causal", "bidirectional" or "none" (no attention at all); it decides the colour.
        meaning: one sentence for newcomers.
    """

    key: str
    label: str
    direction: str
    meaning: str

    @property
    def css(self) -> str:
        """Class of headings and words in this encoder's colour."""
        return {"causal": "c", "bidirectional": "b"}.get(self.direction, "n")

    @property
    def color(self) -> str:
        """This encoder's colour, as a CSS value that follows light and dark."""
        return {"causal": "var(--causal)", "bidirectional": "var(--bidi)"}.get(self.direction, "var(--muted)")


USER_OPTION = EncoderOption(
    USER_ADAPTER, USER_LABEL, "bidirectional", "The adapter that you trained or loaded, visible only to you."
)
# Keys are those of llm2vec_core.baselines.BASELINES.
BASELINE_OPTIONS = {
    "echo": EncoderOption("echo", "Causal, echo", "causal", "The text is repeated; only the second copy is averaged."),
    "static": EncoderOption(
        "static", "Static token embeddings", "none", "No attention: the mean of the input token embeddings."
    ),
}
# Whatever the pooling that is chosen, these keep to the mean.
MEAN_ONLY = frozenset({"static", MINILM.key})


def encoder_only_option() -> EncoderOption:
    """The encoder-only model; where it is not on this machine, its meaning says how to get it."""
    meaning = MINILM.meaning if is_offered() else f"{MINILM.meaning} It is not on this server: {how_to_get(MINILM)}."
    return EncoderOption(MINILM.key, MINILM.label, "bidirectional", meaning)


def is_offered() -> bool:
    """Whether the encoder-only model is on this machine; nobody waits for a download."""
    return installed_folder(MINILM) is not None


def encoder_options(
    preset: ModelPreset, *, causal: bool = True, baselines: bool = False, encoder_only: bool = False
) -> list[EncoderOption]:
    """A model's stages in the order of the recipe, then the baselines, then the encoder-only model.

    Args:
        preset: the model.
        causal: whether causal stages are among them.
        baselines: whether echo and static embeddings are (they are causal, or without direction).
        encoder_only: whether the encoder-only model is, where it is on this machine.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> [choice.key for choice in encoder_options(BUNDLED, baselines=True)][:2]
        ['causal', 'bidirectional']
    """
    stages = [
        EncoderOption(stage.key, stage.label, "bidirectional" if stage.bidirectional else "causal", stage.meaning)
        for stage in preset.stages
        if causal or stage.bidirectional
    ]
    rival = [encoder_only_option()] if encoder_only and is_offered() else []
    return [*stages, *(BASELINE_OPTIONS.values() if baselines else ()), *rival]


def encoder_code(key: str, preset: ModelPreset, **options: Any) -> str:
    """The expression that makes an encoder, for the code below a view; see :func:`encoder_imports`.

    Args:
        key: of the encoder.
        preset: the model in use.
        options: further arguments of what loads a decoder.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder_code("echo", BUNDLED), encoder_code(MINILM.key, BUNDLED)
        ("BASELINES['echo'](LLM2Vec.from_preset('mini:causal'))", 'encoder_only(MINILM)')
    """
    if key == MINILM.key:
        return "encoder_only(MINILM)"
    if key in BASELINE_OPTIONS:
        return f"BASELINES[{key!r}]({encoder_code(preset.stages[0].key, preset, **options)})"
    if key == USER_ADAPTER:
        source = 'from_pretrained("your-adapter"'
    elif from_hub(preset):
        stage = preset.stage(key)
        options = {**preset.settings, "bidirectional": stage.bidirectional, **options}
        source = f"from_pretrained({preset.base!r}, adapters={list(stage.adapters)!r}"
    else:
        source = f"from_preset({f'{preset.key}:{key}'!r}"
    return f"LLM2Vec.{source}{''.join(f', {name}={value!r}' for name, value in options.items())})"


def from_hub(preset: ModelPreset) -> bool:
    """Whether a model was named by the visitor, and so is no preset that others have."""
    return preset.key.startswith("hub:")


def encoder_imports(keys: Collection[str], *names: str) -> list[str]:
    """The lines that import what :func:`encoder_code` needs.

    Args:
        keys: of the encoders.
        names: imported from the package beside them.
    """
    needed = [*(["BASELINES"] if any(key in BASELINE_OPTIONS for key in keys) else []), "LLM2Vec", *names]
    note = ['# "your-adapter": the folder that you downloaded in the Train tab, whose code shows its base']
    lines = [*(note if USER_ADAPTER in keys else []), f"from llm2vec_core import {', '.join(needed)}"]
    if MINILM.key in keys:
        lines += ["from llm2vec_core.baselines import encoder_only", "from llm2vec_core.presets import MINILM"]
    return lines


@dataclass(frozen=True)
class EncoderHandle:
    """One encoder of one session, with its pooling and instruction; its weights are loaded when first used.

    Attributes:
        option: what was picked.
        pooling: mode in which token vectors become one.
        instruction: put in front of what is asked; "" for none.
        model_key: of the preset.
        version: of the visitor's adapter; None for an encoder that every session shares.
    """

    option: EncoderOption
    pooling: str
    instruction: str
    model_key: str
    version: int | None
    _load: Callable[[], Encoder] = field(repr=False, compare=False)
    _private: Cache = field(repr=False, compare=False)
    _shared: Cache = field(repr=False, compare=False)

    @property
    def key(self) -> str:
        """Of the option, as in addresses."""
        return self.option.key

    @property
    def label(self) -> str:
        """For people."""
        return self.option.label

    @property
    def color(self) -> str:
        """As a CSS value."""
        return self.option.color

    @property
    def encoder(self) -> Encoder:
        """The encoder itself."""
        return self._load()

    @property
    def cache_key(self) -> tuple[Hashable, ...]:
        """What embeddings of given texts depend on, but for the instruction."""
        return self.model_key, self.key, self.pooling, self.version

    def shares(self, texts: Texts | None = None) -> bool:
        """Whether results of these texts are the same for every session: neither texts nor adapter are a visitor's."""
        return self.version is None and (texts is None or texts.is_bundled)

    def cache(self, texts: Texts | None = None) -> Cache:
        """Where results of these texts may be cached."""
        return self._shared if self.shares(texts) else self._private

    def encode(self, texts: Sequence[str], *, instructed: bool = True, **options: Any) -> np.ndarray:
        """Embeddings, shape (texts, hidden).

        Args:
            texts: to embed.
            instructed: whether the instruction stands before each of them.
            options: further arguments of :meth:`llm2vec_core.encoder.LLM2Vec.encode`.
        """
        instruction = self.instruction if instructed else ""
        return self.encoder.encode(list(texts), instruction or None, pooling_mode=self.pooling, **options)


def check_pooling(pooling: str) -> None:
    """Raise unless there is such a pooling mode.

    Raises:
        InputError: naming those there are.
    """
    if not isinstance(pooling, str) or pooling not in POOLING_MODES:
        raise InputError(f"{short(pooling)} is not a pooling mode; choose one of {', '.join(POOLING_MODES)}.")
