"""Prose that belongs to the whole page; each tab has its own ``copy.py``."""

TITLE = "LLM2Vec: why bidirectional attention matters"
DESCRIPTION = (
    "A language model reads left to right; an embedding has to know the whole sentence. Open the attention mask of a "
    "small language model, train it, and search, compare and map texts with it: live, in the browser."
)

HERO = """
<header class="l2v l2v-hero">
<a class="l2v-skip" href="#tabs">Skip to the tabs</a>
<h1><span>A language model reads left to right.</span> <span>An embedding has to know the whole sentence.</span></h1>
<p>A decoder computes each word's vector from the words <em>before</em> it: <b class="c">causal attention</b>. LLM2Vec, a
recipe of three steps, opens the view to <b class="b">both sides</b> and trains the model to use it<span class="l2v-wide">: here, live</span>.</p>
</header>
"""

POOLING_LABELS = {
    "mean": "mean of all tokens",
    "weighted_mean": "weighted mean (later tokens count more)",
    "last_token": "last token",
    "first_token": "first token",
}
