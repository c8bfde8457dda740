"""What the steps do and cost, in plain text; the rest of the prose stands in the templates."""

from __future__ import annotations

STEPPER = "Step (choose one, or use the arrow keys)"
# By the stage's key. A stage that is not listed shows its own meaning.
_PUBLISHED = "The published recipe takes 1,000 steps."
_CONTRASTIVE = (
    "texts known to belong together, such as a question and its answer, are pulled together. All others are pushed apart, "
    "most of all those that only look similar (hard negatives)."
)
DONE = {
    "causal": "Nothing yet. This is the language model as trained: it predicts the next word, so each word's vector depends "
    "only on the words before it. A text's vector is the mean of its token vectors (mean pooling).",
    "bidirectional": "The causal mask, which hides later words, is removed. No weights change, and the model has never seen "
    "later words during training.",
    "mntp": "Masked next token prediction: some tokens are masked and the model predicts them, now with context from both "
    "sides. Only a small set of added weights is trained (a LoRA adapter).",
    "simcse": "SimCSE, contrastive training without labels: each sentence is encoded twice with different random noise. Its "
    "two vectors are pulled together; those of other sentences are pushed apart.",
    "mntp-supervised": f"Contrastive training with labels directly after MNTP, as in the published models: {_CONTRASTIVE}",
    "supervised": f"Contrastive training with labels: {_CONTRASTIVE}",
    "echo": "A baseline without training. The text is written twice and only the second copy is averaged. When a causal "
    "model reads that copy, each word has already seen the whole text once.",
    "static": "A baseline without attention: the mean of the input token embeddings. No word order, no context.",
    "own": "The adapter that you trained or loaded in this session, on this model.",
}
COSTS = {
    "causal": "Nothing beyond the language model itself.",
    "bidirectional": "Nothing: a switch in the config. Encoding a text costs about the same as before.",
    "mntp": f"A short training run on plain text, no labels. {_PUBLISHED}",
    "simcse": f"A short training run on plain sentences, no labels. {_PUBLISHED}",
    "mntp-supervised": f"Labelled pairs, which someone has to collect, and a training run on them. {_PUBLISHED}",
    "supervised": f"Labelled pairs, which someone has to collect, and a training run on them. {_PUBLISHED}",
    "static": "No training and no forward pass.",
    "own": "The training run in the Train tab.",
}
UNKNOWN_COST = "The model's authors trained it; see their model card."

# What a kind of task asks of the embeddings; its metric comes from the task itself.
KINDS = {
    "sts": "Do the cosines of sentence pairs agree with people's similarity ratings?",
    "pair_classification": "Do paraphrases have a higher cosine than other pairs?",
    "classification": "Can a simple classifier learn topics and intents from a few examples of each?",
    "clustering": "Do clusters found without labels match the topics that people assigned?",
    "retrieval": "Are the documents that answer a question ranked first?",
    "mean": "Each column is the mean over its sets; the last one is the mean over the kinds of task.",
}
SCORES, ECHO = "Every score on the public test sets", "Echo: reading twice instead of opening the mask"
EFFICIENCY, PUBLISHED = "Does a better start need fewer labels?", "Published results of larger models"

# Key, name and hint of what is measured on the bundled pairs; the first two are shown, all stand in the table.
MEASURES = (
    (
        "separation",
        "Separation: probability that one of our similar pairs has a higher cosine than one of our unrelated ones",
        "0.5 is chance, 1 is perfect",
    ),
    ("unrelated", "Mean cosine, our unrelated pairs", "80 pairs; far above 0, all vectors point in one direction"),
    ("similar", "Mean cosine, our similar pairs", "80 pairs, same meaning in different words"),
    (
        "misleading",
        "Mean cosine, our misleading pairs",
        "80 pairs, same words with a different meaning; lower is better",
    ),
    ("margin", "Margin between our similar and unrelated pairs, in standard deviations", "higher is better"),
)
SHOWN_MEASURES = 2
