"""Models that the page and the command line know by name. A new one is a new row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class Stage:
    """One rung of the ladder from a language model to a text encoder.

    Attributes:
        key: short name, used in code and addresses.
        label: name shown to people.
        bidirectional: whether attention is open in both directions.
        adapters: PEFT adapters merged one after another, as folders or Hub ids.
        meaning: one sentence for newcomers.
    """

    key: str
    label: str
    bidirectional: bool
    adapters: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class ModelPreset:
    """A base model and the stages that can be made from it.

    Attributes:
        key: short name.
        label: name shown to people.
        base: folder or Hub id of the causal language model.
        license: SPDX identifier, or the name the makers use.
        parameters: rough number of weights.
        stages: in the order of the recipe, causal first.
    """

    key: str
    label: str
    base: str
    license: str
    parameters: int
    stages: tuple[Stage, ...]

    def stage(self, key: str) -> Stage:
        """The stage of this name.

        Raises:
            KeyError: if there is none.
        """
        return {stage.key: stage for stage in self.stages}[key]


CAUSAL = Stage("causal", "Causal", False, (), "The language model as it is: each token sees only what came before it.")
BIDIRECTIONAL = Stage(
    "bidirectional",
    "Bidirectional, untrained",
    True,
    (),
    "Step 1: the mask is opened, no weight has changed. Each token sees the whole sentence.",
)

_MNTP = str(ASSETS / "adapters" / "mntp")
_SIMCSE = str(ASSETS / "adapters" / "simcse")

BUNDLED = ModelPreset(
    key="mini",
    label="LLM2Vec-mini (bundled)",
    base=str(ASSETS / "models" / "llm2vec-mini"),
    license="CC-BY-SA-4.0",
    parameters=5_310_720,
    stages=(
        CAUSAL,
        BIDIRECTIONAL,
        Stage(
            "mntp", "+ MNTP", True, (_MNTP,), "Step 2: it practised filling in masked words with both sides in view."
        ),
        Stage(
            "simcse",
            "LLM2Vec (+ MNTP + SimCSE)",
            True,
            (_MNTP, _SIMCSE),
            "Step 3: it practised telling a sentence from all the others.",
        ),
    ),
)

PRESETS: dict[str, ModelPreset] = {preset.key: preset for preset in (BUNDLED,)}
