"""What can be picked as an encoder: a model's stages, the rivals that train nothing, a visitor's own adapter."""

from __future__ import annotations

from dataclasses import dataclass

from llm2vec_core.presets import ModelPreset

OWN_STAGE = "own"
OWN_LABEL = "Your adapter"


@dataclass(frozen=True)
class Choice:
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


OWN = Choice(OWN_STAGE, OWN_LABEL, "bidirectional", "The adapter that you trained or loaded, for you alone.")
# Keys are those of llm2vec_core.baselines.BASELINES.
RIVALS = {
    "echo": Choice("echo", "Causal, echo", "causal", "The text stands there twice; only the second copy is averaged."),
    "static": Choice("static", "Static token embeddings", "none", "No attention: the mean of bare word vectors."),
}


def stage_choices(preset: ModelPreset, *, causal: bool = True, rivals: bool = False) -> list[Choice]:
    """A model's stages in the order of the recipe, then the rivals.

    Args:
        preset: the model.
        causal: whether causal stages are among them.
        rivals: whether echo and static embeddings are (they are causal, or without direction).

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> [choice.key for choice in stage_choices(BUNDLED, rivals=True)][:2]
        ['causal', 'bidirectional']
    """
    stages = [
        Choice(stage.key, stage.label, "bidirectional" if stage.bidirectional else "causal", stage.meaning)
        for stage in preset.stages
        if causal or stage.bidirectional
    ]
    return [*stages, *RIVALS.values()] if rivals else stages
