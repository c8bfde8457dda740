"""What belongs to one visitor alone. Knows no gradio; the page keeps one of these per session."""

from __future__ import annotations

from typing import Any

from llm2vec_core.baselines import StaticEmbeddings
from llm2vec_core.bundled_data import sentence_pairs
from llm2vec_core.comparison import Yardstick
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.filling import ClozeScores
from llm2vec_core.presets import BUNDLED
from llm2vec_core.separation import PairCosines, measure_pairs
from llm2vec_core.ui.choices import OWN, OWN_STAGE, Choice, stage_choices
from llm2vec_core.ui.context import AppContext, cloze_of, yardsticks_of
from llm2vec_core.ui.kept import Kept
from llm2vec_core.ui.questions import Questions
from llm2vec_core.ui.texts import Texts


class Visitor:
    """One visitor's choices and makings.

    No dataclass: the page's state would turn one into a dictionary.

    Attributes:
        model_key: preset that the visitor looks at.
        encoder: that model with the visitor's own adapter, if there is one.
        own_model_key: preset that the adapter belongs to.
        description: how it was trained, in a few words.
        texts: the visitor's own, uploaded or pasted.
        adapter_version: grows whenever the adapter has learned; what was made with an older one is stale.
        by_tab: what a tab keeps for this visitor, by the tab's id.
        kept: what was computed from the visitor's own texts or adapter.
        questions: what the visitor waits for.
    """

    def __init__(self) -> None:
        self.model_key = BUNDLED.key
        self.encoder: LLM2Vec | None = None
        self.own_model_key = BUNDLED.key
        self.description = ""
        self.texts: Texts | None = None
        self.adapter_version = 0
        self.by_tab: dict[str, Any] = {}
        self.kept = Kept({"embeddings": 3})
        self.questions = Questions()
        self._yardsticks: dict[str, Yardstick] = {}
        self._pair_cosines: PairCosines | None = None
        self._cloze: ClozeScores | None = None

    def choices(self, context: AppContext, *, causal: bool = True, rivals: bool = False) -> list[Choice]:
        """Encoders to pick from: stages, rivals, and the visitor's own last."""
        found = stage_choices(context.preset, causal=causal, rivals=rivals)
        own = self.encoder is not None and self.own_model_key == context.preset.key
        return [*found, OWN] if own else found

    def choice(self, key: str, context: AppContext) -> Choice:
        """The choice of this key.

        Raises:
            InputError: if there is none (any more).
        """
        known = {choice.key: choice for choice in self.choices(context, rivals=True)}
        if key == OWN_STAGE and key not in known:
            raise InputError(
                "Your adapter is no longer here: it is kept for an hour, and belongs to the model that it was trained "
                "on. Train it again, or choose a stage."
            )
        if key not in known:
            raise InputError(f"{key!r} is no encoder of {context.preset.label}; choose one of {', '.join(known)}.")
        return known[key]

    def encoder_for(self, key: str, context: AppContext) -> LLM2Vec | StaticEmbeddings:
        """The encoder of a choice; raises as :meth:`choice`."""
        self.choice(key, context)
        if key == OWN_STAGE and self.encoder is not None:
            return self.encoder
        return context.encoder(key)

    def yardstick_for(self, key: str, pooling_mode: str, context: AppContext) -> Yardstick:
        """The yardstick of a stage, the visitor's own included; raises as :meth:`choice`."""
        if key != OWN_STAGE:
            return context.yardstick(key, pooling_mode)
        if not self._yardsticks:
            self._yardsticks = yardsticks_of(self.encoder_for(key, context))
        return self._yardsticks[pooling_mode]

    def pair_cosines_for(self, key: str, context: AppContext) -> PairCosines:
        """Cosines of the bundled pairs under a choice; raises as :meth:`choice`."""
        encoder = self.encoder_for(key, context)
        if key != OWN_STAGE:
            return context.pair_cosines(key)
        if self._pair_cosines is None:
            self._pair_cosines = measure_pairs(encoder, sentence_pairs())
        return self._pair_cosines

    def cloze_for(self, key: str, context: AppContext) -> ClozeScores:
        """How well a choice finds hidden words; raises as :meth:`choice`."""
        encoder = self.encoder_for(key, context)
        if key != OWN_STAGE:
            return context.cloze(key)
        if self._cloze is None:
            self._cloze = cloze_of(encoder)
        return self._cloze

    def forget_measurements(self) -> None:
        """Drop what was measured of the adapter as it was: it has learned since."""
        self._yardsticks = {}
        self._pair_cosines = self._cloze = None
        self.adapter_version += 1
        self.kept.forget(OWN_STAGE)
