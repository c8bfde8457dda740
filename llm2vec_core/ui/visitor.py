"""What belongs to one visitor alone. Knows no gradio; the page keeps one of these per session."""

from __future__ import annotations

from llm2vec_core.comparison import Yardstick
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.ui.context import AppContext, yardsticks_of

OWN_STAGE = "own"
OWN_LABEL = "Your adapter"


class Visitor:
    """One visitor's trained adapter, if there is one.

    No dataclass: the page's state would turn one into a dictionary.

    Attributes:
        encoder: the bundled model with the visitor's adapter.
        description: how it was trained, in a few words.
    """

    def __init__(self) -> None:
        self.encoder: LLM2Vec | None = None
        self.description = ""
        self._yardsticks: dict[str, Yardstick] = {}

    def stage_choices(self, context: AppContext) -> list[tuple[str, str]]:
        """(label, key) of the bidirectional stages, the visitor's own last."""
        choices = [(stage.label, stage.key) for stage in context.preset.stages if stage.bidirectional]
        return [*choices, (OWN_LABEL, OWN_STAGE)] if self.encoder else choices

    def encoder_for(self, key: str, context: AppContext) -> LLM2Vec:
        """The encoder of a stage, the visitor's own included.

        Raises:
            InputError: if the visitor's own is asked for and there is none (any more).
        """
        if key != OWN_STAGE:
            return context.encoder(key)
        if self.encoder is None:
            raise InputError(
                "Your adapter is no longer here: it is kept for an hour. Train it again, or choose a stage."
            )
        return self.encoder

    def yardstick_for(self, key: str, pooling_mode: str, context: AppContext) -> Yardstick:
        """The yardstick of a stage, the visitor's own included; raises as :meth:`encoder_for`."""
        if key != OWN_STAGE:
            return context.yardstick(key, pooling_mode)
        if not self._yardsticks:
            self._yardsticks = yardsticks_of(self.encoder_for(key, context))
        return self._yardsticks[pooling_mode]

    def forget_measurements(self) -> None:
        """Drop what was measured of the adapter as it was: it has learned since."""
        self._yardsticks = {}
