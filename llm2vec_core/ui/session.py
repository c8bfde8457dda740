"""What belongs to one visitor alone. Knows no gradio; the page keeps one session per visit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from llm2vec_core.arguments import short
from llm2vec_core.baselines import EncoderOnly, StaticEmbeddings
from llm2vec_core.bundled_data import sentence_pairs
from llm2vec_core.cache import Cache, Limit
from llm2vec_core.comparison import Yardstick
from llm2vec_core.constants import bundled_cloze, bundled_yardsticks
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.filling import ClozeScores
from llm2vec_core.presets import BUNDLED, MINILM
from llm2vec_core.provision import how_to_get
from llm2vec_core.separation import PairCosines, measure_pairs
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import (
    USER_ADAPTER,
    USER_OPTION,
    EncoderHandle,
    EncoderOption,
    check_pooling,
    encoder_options,
)
from llm2vec_core.ui.requests import Requests
from llm2vec_core.ui.user_texts import Texts

T = TypeVar("T")
# How many sessions hold an uploaded file.
_UPLOADS, _HOLDERS = threading.Lock(), Counter[Path]()
# Of the last two encoders; an index has a limit of its own (Limits.index_megabytes). "see": of the last two pairs;
# "states": of one pair and two encoders, at most 11 MB each (SmolLM2).
CACHED = {
    "embeddings": Limit(3),
    "index": Limit(2),
    "query scores": Limit(8),
    "see": Limit(32, megabytes=16),
    "states": Limit(2, megabytes=24),
}


class Session:
    """One visitor's choices and results.

    No dataclass: the page's state would turn one into a dictionary.

    Args:
        model_key: preset that the page opens with.

    Attributes:
        model_key: preset that the visitor looks at.
        linked_tab: id of the tab whose fields came from a link; "" for none.
        own_model_key: preset that the visitor's adapter belongs to.
        description: how the adapter was trained, in a few words.
        adapter_version: grows whenever the adapter has learned; what was computed with an older one is stale.
        by_tab: what a tab keeps for this session, by the tab's id.
        cache: results computed from the visitor's own texts or adapter.
        requests: those that are running.
    """

    def __init__(self, model_key: str = BUNDLED.key) -> None:
        self.model_key = model_key
        self.linked_tab = ""
        self.own_model_key = model_key
        self.description = ""
        self.adapter_version = 0
        self.by_tab: dict[str, Any] = {}
        self.cache = Cache(CACHED)
        self.requests = Requests()
        self._uploads: set[Path] = set()
        self._encoder: LLM2Vec | None = None
        self._texts: Texts | None = None

    @property
    def encoder(self) -> LLM2Vec | None:
        """The visitor's model with the visitor's adapter, if there is one."""
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: LLM2Vec | None) -> None:
        self._encoder = encoder
        self.forget_measurements()

    @property
    def texts(self) -> Texts | None:
        """The visitor's texts, uploaded or pasted; results of earlier ones are dropped."""
        return self._texts

    @texts.setter
    def texts(self, texts: Texts | None) -> None:
        before, self._texts = self._texts, texts
        if before is not None and (texts is None or before.key != texts.key):
            self.cache.discard(before.key)

    def choices(self, context: AppContext, **listed: bool) -> list[EncoderOption]:
        """Encoders to pick from, the visitor's own last.

        Args:
            context: of the model in use.
            listed: arguments of :func:`llm2vec_core.ui.encoders.encoder_options`.
        """
        found = encoder_options(context.preset, **listed)
        own = self.encoder is not None and self.own_model_key == context.preset.key
        return [*found, USER_OPTION] if own else found

    def choice(self, key: str, context: AppContext) -> EncoderOption:
        """The option of this key.

        Raises:
            InputError: if there is none (any more).
        """
        known = {option.key: option for option in self.choices(context, baselines=True, encoder_only=True)}
        if key == MINILM.key and key not in known:
            raise InputError(f"{MINILM.label} is not on this server: {how_to_get(MINILM)}. Choose another encoder.")
        if key == USER_ADAPTER and key not in known:
            raise InputError(
                "Your adapter is no longer here: it is kept while the page is open, for an hour at most without a "
                "question, and belongs to the model that it was trained on. Train it again, or choose a stage."
            )
        if not isinstance(key, str) or key not in known:
            raise InputError(
                f"{short(key)} is not an encoder of {context.preset.label}; choose one of {', '.join(known)}."
            )
        return known[key]

    def handle(self, key: str, context: AppContext, pooling: str = "mean", instruction: str = "") -> EncoderHandle:
        """One encoder as a tab uses it.

        Args:
            key: of the option.
            context: of the model in use.
            pooling: a mode of :data:`llm2vec_core.pooling.POOLING_MODES`.
            instruction: "" for none.

        Raises:
            InputError: as :meth:`choice`, and for an unknown pooling mode.
        """
        option = self.choice(key, context)
        check_pooling(pooling)
        # Taken now: another adapter may take its place while this one is still used.
        own = self.encoder if key == USER_ADAPTER else None
        return EncoderHandle(
            option,
            pooling,
            instruction,
            context.preset.key,
            None if own is None else self.adapter_version,
            lambda: context.encoder(key) if own is None else own,
            self.cache,
            context.cache,
        )

    def encoder_for(self, key: str, context: AppContext) -> LLM2Vec | StaticEmbeddings | EncoderOnly:
        """The encoder of an option; raises as :meth:`choice`."""
        return self.handle(key, context).encoder

    def yardstick_for(self, key: str, pooling_mode: str, context: AppContext) -> Yardstick:
        """The yardstick of an option; raises as :meth:`choice`, and for an unknown pooling mode."""
        check_pooling(pooling_mode)
        if key != USER_ADAPTER:
            return context.yardstick(key, pooling_mode)
        return self._own("yardsticks", context, bundled_yardsticks)[pooling_mode]

    def keep_yardsticks(self, measured: dict[str, Yardstick]) -> None:
        """Those of the visitor's adapter, by pooling mode, where they were measured already."""
        self.cache.put(("yardsticks", USER_ADAPTER), measured)

    def pair_cosines_for(self, key: str, context: AppContext) -> PairCosines:
        """Cosines of the bundled pairs under an option; raises as :meth:`choice`."""
        if self.choice(key, context).key != USER_ADAPTER:
            return context.pair_cosines(key)
        return self._own("pair cosines", context, lambda encoder: measure_pairs(encoder, sentence_pairs()))

    def cloze_for(self, key: str, context: AppContext) -> ClozeScores:
        """How well an option finds hidden words; raises as :meth:`choice`."""
        if self.choice(key, context).key != USER_ADAPTER:
            return context.cloze(key)
        return self._own("cloze", context, bundled_cloze)

    def _own(self, what: str, context: AppContext, measure: Callable[[LLM2Vec], T]) -> T:
        encoder = cast(LLM2Vec, self.encoder_for(USER_ADAPTER, context))
        return self.cache.get((what, USER_ADAPTER), lambda: measure(encoder))

    def hold_uploads(self, *files: Path) -> None:
        """Files of the visitor's on this server's disk, which go with the visit."""
        with _UPLOADS:
            _HOLDERS.update(new := set(files) - self._uploads)
            self._uploads |= new

    def delete_uploads(self) -> None:
        """Delete the visitor's files; what was read from them stays for as long as the session does.

        Gradio stores equal files once, so one that another visitor has uploaded too stays until that visit ends.
        """
        with _UPLOADS:
            _HOLDERS.subtract(self._uploads)
            for file in self._uploads:
                if _HOLDERS[file] <= 0:
                    del _HOLDERS[file]
                    file.unlink(missing_ok=True)
            self._uploads = set()

    def forget_measurements(self) -> None:
        """Drop what was computed with the adapter as it was: it has learned since."""
        self.adapter_version += 1
        self.cache.discard(USER_ADAPTER)
