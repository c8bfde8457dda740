"""All prose of the page, in one place. Plain words first; a technical term is explained where it first appears."""

TITLE = "LLM2Vec: why bidirectional attention matters"

HERO = """
<header class="l2v l2v-hero">
<h1>A language model reads left to right. An embedding has to know the whole sentence.</h1>
<p>In a decoder each word's vector is computed from the words <em>before</em> it: that is
<b class="c">causal attention</b>. LLM2Vec opens the view to <b class="b">both sides</b>, lets the model practise,
and turns it into a text encoder. Everything below runs live on a small model that we trained from nothing.</p>
</header>
"""

COMPARE_INTRO = """
<div class="l2v"><h2>Two sentences, one beginning</h2>
<p>Change the sentences and watch the words that they share. Under causal attention a shared beginning has the very same
vectors in both, whatever follows.</p></div>
"""

ATTENTION_INTRO = """
<div class="l2v"><h2>Where each word looks</h2>
<p><em>Attention</em> is how much of each other word a word takes in; every row adds up to 1. One layer holds several
<em>heads</em>, each looking for something else.</p></div>
"""

SEARCH_INTRO = """
<div class="l2v"><h2>The same question, two encoders</h2>
<p>324 short passages about twelve subjects. Each encoder turns the question and every passage into a vector and puts
the nearest ones first. Many words here have two lives: a <em>bank</em>, a <em>pitch</em>, a <em>cell</em>.</p></div>
"""

MAP_INTRO = """
<div class="l2v"><h2>The collection as two maps</h2>
<p>Each mark is a passage, coloured by its subject. Passages that an encoder finds alike lie close together. First you
see a linear projection (PCA); then UMAP, which keeps neighbours together. Distances <em>between</em> far-off groups on a UMAP map
mean little.</p></div>
"""

TRAIN_INTRO = """
<div class="l2v"><h2>Train a little, right here</h2>
<p>Training changes a small <em>adapter</em> (LoRA: a few thin matrices beside the frozen weights). <b>MNTP</b> hides words and
lets the model fill them in with both sides in view. <b>SimCSE</b> reads each text twice with random gaps and learns to
recognise it among the others. The adapter is yours alone; choose it in <em>Compare</em> afterwards.</p></div>
"""

POOLING_LABELS = {
    "mean": "mean of all tokens",
    "weighted_mean": "weighted mean (later tokens count more)",
    "last_token": "last token",
    "first_token": "first token",
}

# Checked on the bundled model: bidirectional attention finds the first three; nobody finds the last one.
EXAMPLE_QUERIES = (
    "Why should I not take penicillin for a common cold?",
    "ways to haul people up a steep mountainside",
    "devices that stop a train automatically in an emergency",
    "Why does a loaf get bigger before it is baked?",
)

OBJECTIVE_LABELS = {"mntp": "MNTP: fill in masked words", "simcse": "SimCSE: tell texts apart"}
