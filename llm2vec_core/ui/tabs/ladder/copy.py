"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from llm2vec_core.published import ADDRESS

INTRO = """
<div class="l2v"><h2>From a language model to a text encoder, rung by rung</h2>
<p>Each rung is one step of the recipe. Climb, and see what was done, what it costs and what it changed, in numbers
that are computed now on 240 pairs of sentences that we wrote and labelled.</p></div>
"""

TOO_EASY = "Our 240 pairs are too easy to show this: they were told apart almost perfectly before."
STEPPER = "Rung (press one, or climb with the arrow keys)"
# By the stage's key: what was done, what it costs in general. A stage that is not listed shows its own meaning.
DONE = {
    "causal": "Nothing yet. This is the language model as it was trained: it guesses the next word, so each word's vector is "
    "made from the words before it. A text's vector is the mean of its words' vectors (<em>mean pooling</em>).",
    "bidirectional": "The <em>mask</em>, the rule that hides later words, is taken away. No weight has changed; the model has "
    "never seen the words to its right while it was trained.",
    "mntp": "<em>Masked next token prediction</em>: some words are hidden and the model guesses them, now with both sides in view. "
    "A small addition to the weights (a <em>LoRA adapter</em>) learns, the rest stays as it is.",
    "simcse": "<em>SimCSE</em>, a contrastive training without labels: each sentence goes through the model twice with a little "
    "noise. Its two vectors are pulled together, those of other sentences are pushed away.",
    "mntp-supervised": "Contrastive training with labels, straight after MNTP, as the published models were made: texts that are "
    "known to belong together, such as a question and what answers it, are pulled together. All others are pushed apart, those "
    "above all that only look alike (<em>hard negatives</em>).",
    "supervised": "Contrastive training with labels: texts that are known to belong together, such as a question and what answers "
    "it, are pulled together. All others are pushed apart, those above all that only look alike (<em>hard negatives</em>).",
    "echo": "A rival that trains nothing. The text is written twice, and only the second copy is averaged: when a causal model "
    "reads it, each word there has already seen the whole text once.",
    "static": "A rival without any reading: the mean of the words' own vectors, as the model looks them up before its first layer. "
    "No order of words, no context.",
    "own": "The adapter that you trained or loaded in this session, on this model.",
}
COSTS = {
    "causal": "Nothing beyond the language model itself.",
    "bidirectional": "Nothing: a switch in the configuration. Reading a text costs the same as before.",
    "mntp": "A short training on plain text, no labels. The published recipe takes 1,000 steps.",
    "simcse": "A short training on plain sentences, no labels. The published recipe takes 1,000 steps.",
    "mntp-supervised": "Labelled pairs, which somebody has to collect, and a training on them (published: 1,000 steps).",
    "supervised": "Labelled pairs, which somebody has to collect, and a training on them (published: 1,000 steps).",
    "static": "No training and no pass through the model.",
    "own": "What you spent in the tab Train.",
}
UNKNOWN_COST = "The makers of this model trained it; their page tells what it took."

FILL = """
<div class="l2v"><h2>Fill in the blank</h2>
<p>Write <code>_</code> where a word is missing. Each model reads the same sentence and says what it expects there. The
causal one sees only what stands <em>to the left</em>; the others see both sides, but only practice (MNTP) teaches them to
use it. A model's words are <em>tokens</em>: whole words or pieces of words, the begun piece marked with “…”.</p></div>
"""

MEASURED = """
<div class="l2v"><h2>The measured ladder</h2>
<p>Every encoder of LLM2Vec-mini, whichever model is in use, on public test sets. The causal model gets every pooling and rival that needs no
training: beating a weak baseline would prove nothing. The line through a mark, and what stands in brackets, is the 95%
interval: where the number would lie if other examples had been drawn.</p></div>
"""

# What a kind of task asks of the embeddings; its metric comes from the task itself.
KINDS = {
    "sts": "Do the cosines of pairs of sentences rise and fall with the likeness that people see in them?",
    "pair_classification": "Do two sentences that mean the same have a higher cosine than two that do not?",
    "classification": "Can a simple classifier tell topics and intents apart after a few examples of each?",
    "clustering": "Do the groups that a program finds by itself match the topics that people gave?",
    "retrieval": "Are the documents that answer a question found before all others?",
    "mean": "Each column is the mean over its sets, the last one the mean over the kinds of task.",
}

PUBLISHED = f"""
<div class="l2v"><h2>What others published</h2>
<p><b>Published numbers, other models, another scale.</b> We did not measure these and they cannot be compared with the
scores above: the models are 125 to 700 times as large, and the score is a mean over 56 tasks
(<a href="{ADDRESS}" rel="noreferrer">the paper</a>).</p></div>
"""

EFFICIENCY = """
<div class="l2v"><h2>A better start needs fewer labels</h2>
<p>The same training on labelled pairs, begun on different rungs, each several times with other random numbers. A start that
stands higher at step 0 has learned something from plain text that labels would otherwise have to teach. The score says how
well cosines order pairs of sentences as people do; 100 would be the very same order.</p></div>
"""

ECHO = """
<div class="l2v"><h2>Echo: reading twice instead of opening the mask</h2></div>
"""
NOT_MEASURED = "This has not been measured yet. The command that measures it:"
