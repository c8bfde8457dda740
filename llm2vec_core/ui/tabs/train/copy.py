"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm2vec_core.ui.tabs.train.run import Progress

INTRO = """
<div class="l2v"><h2>Train a little, right here</h2>
<p>Training changes a small <em>adapter</em> (LoRA: a few thin matrices beside the weights, which stay as they are). It is
yours alone, and it becomes an encoder in every tab. Choose what it should practise:</p>
<dl class="l2v-train-words">
<dt>MNTP</dt><dd>masked next token prediction: words are hidden, and the model fills them in with both sides in view.</dd>
<dt>SimCSE</dt><dd>each sentence is read twice with random gaps; the model learns to recognise it among the others.</dd>
<dt>Supervised</dt><dd>pairs that belong together, such as a question and its answer; a <em>hard negative</em> is a text that
looks right and is not.</dd></dl></div>
"""

OBJECTIVE_LABELS = {
    "mntp": "MNTP: fill in masked words",
    "simcse": "SimCSE: tell texts apart",
    "supervised": "Supervised: learn from pairs",
}
OBJECTIVE_NAMES = {key: label.split(":")[0] for key, label in OBJECTIVE_LABELS.items()}
LENGTHS = {"20": "Short", "60": "Longer"}
LENGTH_INFO = (
    "About 20 and 60 seconds with LLM2Vec-mini on two processor cores that do nothing else, longer with a larger model. The "
    "first steps tell how long it takes here."
)
START_INFO = "The stage that the adapter stands on; its weights are not changed."

FIELDS = {
    "steps": ("Steps", "How often the adapter is changed a little; one batch of texts each."),
    "learning_rate": (
        "Learning rate",
        "How far one step goes, above 0 and at most 0.1. Too high, and what was known is lost.",
    ),
    "rank": ("LoRA rank", "How thick the adapter's matrices are, 1 to 64. More can learn more and is larger."),
    "batch_size": ("Batch size", "Texts (or pairs) a step, 2 to 64. With more, telling texts apart is harder."),
    "max_length": ("Longest text", "In tokens (pieces of words), 8 to 256; what is longer loses its end."),
    "seed": ("Seed", "Decides all random choices; the same seed gives the same run."),
}

PAIRS_SOURCES = [("Our pairs", "ours"), ("Your pairs", "own")]
PAIRS_FILE = "A file with the columns query, positive and, if you have it, negative (jsonl, csv, tsv)"

UPLOAD_INTRO = """
<div class="l2v"><p>The archive that this page gave you, as it is; or a LoRA adapter from elsewhere in PEFT's format, its two
files <code>adapter_config.json</code> and <code>adapter_model.safetensors</code>. Of an archive of this page the stage that the
adapter stands on is found by itself; any other is put on the stage chosen under “Start from”, whatever base its file names.
Only safetensors are read, never a pickle.</p></div>
"""

NOT_MEASURED = (
    "Nothing trained yet with {label}. A model of this size takes a while: it is measured when you press Train, before "
    "the first step."
)


def expectation(label: str, point: Progress, longer: str | None, compared: Progress | None) -> str:
    """What to look for in the curves that will grow.

    Args:
        label: of the stage to start from.
        point: what is measured of it.
        longer: label of the stage that a long training of the same kind made of it, if there is one.
        compared: what is measured of that.
    """
    told = (
        f"The points are “{label}” as it stands now, measured on our data: {_measures(point)}. The curves grow from here. "
        "If the loss of each batch falls and the held-out loss does not, texts are learned by heart."
    )
    if compared is not None:
        line = " (dashed)" if compared.held_out else ""
        told += f" What a long training reached{line}: “{longer}” stands at {_measures(compared)}."
    return told


def _measures(point: Progress) -> str:
    loss = f"held-out loss {point.held_out[0][1]:.3f}, " if point.held_out else ""
    separations = " and ".join(f"{points[0][1]:.3f} ({MEASURES[other]})" for other, points in point.separations.items())
    return f"{loss}separation {separations}"


MEASURES = {
    "unrelated": "similar above unrelated pairs",
    "misleading": "similar above look-alike pairs",
}
KINDS = {
    "similar": ("mean the same", "other words, one meaning"),
    "unrelated": ("unrelated", "nothing in common"),
    "misleading": ("look alike", "many words in common, another meaning"),
}
EXPLAINED = (
    "Each mark is one pair of sentences that no training here has seen; the further to the right, the more alike the model "
    "finds them. “Separation” is the chance that a pair that means the same lies further right than one that does not: 0.5 is a "
    "coin toss, 1 is perfect. Cosines that all grow together are no gain; the order counts."
)
OWN_EXPLAINED = (
    "Each mark is one of your held-out pairs; the further to the right, the more alike the model finds the two texts. “Unrelated” "
    "joins a query with another pair's positive. “Separation” is the chance that a real pair lies further right: 0.5 is a coin "
    "toss, 1 is perfect."
)
LICENCE = (
    "The adapter is yours. It works only together with its base, whose licence applies ({license}); if you trained on texts "
    "of others, so do their terms."
)
