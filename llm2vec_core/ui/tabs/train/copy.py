"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from llm2vec_core.presets import BUNDLED, SMOLLM2, ModelPreset

if TYPE_CHECKING:
    from llm2vec_core.ui.tabs.train.run import LongTraining, Progress

# A smaller change of the held-out loss is called none.
SMALLEST_SHARE = 0.01

OBJECTIVE_LABELS = {
    "mntp": "MNTP: fill in masked words",
    "simcse": "SimCSE: tell texts apart",
    "supervised": "Supervised: learn from pairs",
}
OBJECTIVE_NAMES = {key: label.split(":")[0] for key, label in OBJECTIVE_LABELS.items()}
LENGTHS = {"20": "Short", "60": "Longer"}
# What runs take, by model: from the press to the end, the quickest and the slowest run of all objectives, by length, on two
# idle cores, with the fields as they are filled in, on our own data. LLM2Vec-mini: cores of 55 GFLOP/s each (float32 matrix
# products) and AMD EPYC cores with AVX-512, which take half as long; SmolLM2: the latter.
CORES = "two idle processor cores"
SECONDS = {
    BUNDLED.key: {"20": (10, 25), "60": (22, 46)},
    SMOLLM2.key: {"20": (27, 43), "60": (56, 87)},
}
_ESTIMATE = "After three steps the page estimates the time left."


def length_info(preset: ModelPreset) -> str:
    """What a run's length means in seconds, with this model.

    Args:
        preset: the model.
    """
    if preset.key not in SECONDS:
        return f"How long this takes with {preset.label} was not measured. {_ESTIMATE}"
    spans = (f"{low} to {high} seconds" for low, high in SECONDS[preset.key].values())
    each = "; ".join(f"{name.lower()}: {span}" for name, span in zip(LENGTHS.values(), spans, strict=True))
    return f"With {preset.label} on {CORES}, {each}. {_ESTIMATE}"


START_INFO = "The stage the adapter is trained on top of. Its weights stay frozen."

FIELDS = {
    "steps": ("Steps", "Number of updates; each uses one batch."),
    "learning_rate": (
        "Learning rate",
        "Size of each update, above 0 and at most 0.1. If it is too high, the model forgets what it knew.",
    ),
    "rank": (
        "LoRA rank",
        "Rank of the adapter's matrices, 1 to 64. A higher rank can learn more and makes a larger file.",
    ),
    "batch_size": (
        "Batch size",
        "Texts (or pairs) per step, 2 to 64. With SimCSE and Supervised, a larger batch makes the task harder.",
    ),
    "max_length": ("Maximum length", "In tokens, 8 to 256. Longer texts are truncated."),
    "seed": ("Seed", "Sets all random choices; the same seed repeats the run."),
}

PAIRS_SOURCES = [("Our pairs", "ours"), ("Your pairs", "own")]
PAIRS_FILE = "A file with the columns query, positive and (optional) negative: jsonl, json, csv or tsv"

NOTHING_YET = "No training run yet."
ELSEWHERE = (
    " You are using another model now. The finished adapter is for {label}: download it here, or use {label} again to find it "
    "in every tab."
)
QUEUE = "another visitor is training", "Your run starts by itself; press Stop to leave the queue."
NO_CODE_YET = "# Press Train: the same run in Python then stands here.\n"
NO_LOSS_YET = "The loss of each batch appears here<br>when you press Train"
NOT_MEASURED = (
    "No training run yet with {label}. A model of this size is slow here, so it is measured when you press Train, before "
    "the first step."
)


def expectation(label: str, point: Progress, longer: LongTraining | None) -> str:
    """What to look for in the curves that will grow.

    Args:
        label: of the stage to start from.
        point: what is measured of it.
        longer: what a long training of the same kind made of it, if there is one.
    """
    told = (
        f"The marks at step 0 are the starting point, “{label}”: {_measures(point)}. These pairs of ours are kept out of training and "
        "are not the ladder's 240, so the numbers differ from those there. If the loss of each batch falls and the held-out loss does not, the model is memorising the texts."
    )
    if longer is not None:
        told += (
            f" For comparison: “{longer.label}” comes from a longer run of this objective ({longer.steps:,} steps, batch "
            f"size {longer.batch_size})"
        )
        told += f" and has {_measures(longer.point)}" if longer.point else ""
        told += "; the dashed line is its held-out loss." if longer.point and longer.point.held_out else "."
    return told


def held_out_sentence(progress: Progress) -> str:
    """What became of the loss on examples that were not trained on; empty before there is anything to compare."""
    if len(progress.held_out) < 2:
        return ""
    (_, before), (_, after) = progress.held_out[0], progress.held_out[-1]
    numbers = f"Held-out loss: {before:.3f} before, {after:.3f} after"
    if abs(after - before) < SMALLEST_SHARE * before:
        return f"{numbers}. It hardly changed; more steps or a higher learning rate may help."
    if after < before:
        return f"{numbers}. It fell, so what was learned carries over to texts that were not trained on."
    return (
        f"{numbers}. It rose, so what was learned does not carry over to other texts. Try a lower learning rate or more "
        "varied texts."
    )


def _measures(point: Progress) -> str:
    loss = f"held-out loss {point.held_out[0][1]:.3f}, " if point.held_out else ""
    separations = " and ".join(f"{points[0][1]:.3f} ({MEASURES[other]})" for other, points in point.separations.items())
    return f"{loss}separation {separations}"


class Kind(NamedTuple):
    """A kind of pair in words: its name, what it is, and how a sentence calls such pairs."""

    name: str
    meaning: str
    others: str


MEASURES = {
    "unrelated": "same meaning above unrelated",
    "misleading": "same meaning above look-alike",
}
KINDS = {
    "similar": Kind("same meaning", "different words, one meaning", "pairs with the same meaning"),
    "unrelated": Kind("unrelated", "nothing in common", "unrelated pairs"),
    "misleading": Kind("look-alike", "many shared words, different meaning", "look-alike pairs"),
}
_SEPARATION = (
    "“Separation” is the area under the ROC curve: the chance that {pair} has a higher cosine than one of the other kind. "
    "0.5 is chance, 1 is perfect."
)
EXPLAINED = (
    "Each mark is one of our pairs of sentences, which no training here has seen; the further right, the more similar the model "
    f"finds them. {_SEPARATION.format(pair='a pair with the same meaning')} If all cosines rise together, nothing is "
    "gained: only the order counts."
)
OWN_EXPLAINED = (
    "Each mark is one of your held-out pairs; the further right, the more similar the model finds the two texts. An "
    f"“unrelated” pair joins a query with the positive of another pair. {_SEPARATION.format(pair='a real pair')}"
)
LICENCE = (
    "The adapter is yours. It works only together with its base model, whose licence applies ({license}). If you trained "
    "on other people's texts, their terms apply too."
)
