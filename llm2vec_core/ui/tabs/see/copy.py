"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

INTRO = """
<div class="l2v"><h2>Does a word know what follows it?</h2>
<p>A model turns each word into a <em>vector</em>, a list of numbers. Take two sentences that begin alike: do their shared
words have the same vectors? <span class="l2v-wide">Turn the switch, then write your own.</span></p></div>
"""

# The two states of the opening; page-wide names, because tab.css looks for them from the container.
SWITCH = """
<fieldset class="l2v l2v-see-switch"><legend>Who may look at whom?</legend><div>
<label class="c"><input type="radio" name="l2v-see-direction" id="l2v-see-causal" checked>
<span>Causal <small>only backwards</small></span></label>
<label class="b"><input type="radio" name="l2v-see-direction" id="l2v-see-bidi">
<span>Bidirectional <small>both ways</small></span></label></div><p role="status"></p></fieldset>
"""

ENDINGS_INTRO = """
<div class="l2v"><h2>Change the ending, watch the beginning</h2>
<p>Type in <b>another ending</b>. The bars show how far the vector of each word of the beginning moves from where it was with
the first ending. A word may be cut into several <em>tokens</em>, the pieces that the model reads; a hyphen shows where it goes on.</p></div>
"""

ATTENTION_INTRO = """
<div class="l2v"><h2>Where each word looks</h2>
<p><em>Attention</em> is how much of each other word a word takes in; every row adds up to 1. One <em>layer</em> holds several
<em>heads</em>, each looking for something else. Choose one in the overview, or in the two fields.</p></div>
"""

LESSON_INTRO = """
<div class="l2v"><h2>A lesson in seven steps, on your own sentences</h2>
<p>Each step ends in a number that is computed now from Sentence A and Sentence B above.</p></div>
"""

STRIPS_INTRO = """
<div class="l2v"><h2>How alike are the two sentences?</h2>
<p><em>Pooling</em> makes one vector of all token vectors. The <em>cosine</em> of two vectors is 1 if they point the same way
and 0 if they have nothing in common.</p></div>
"""

MEASURES = [("Change of direction (1 − cosine)", "cosine"), ("Relative distance", "distance")]

ADDED_WORD = "indeed"

NOTHING_SHARED = (
    "Your two sentences do not begin with the same word, so there is none to follow. Give them the same first words, or "
    "take an example with a shared beginning."
)
NO_SECOND_COPY = "Twice the sentence is more than the model reads at once, so there is no second copy to look at."

LESSON = (
    (
        "A word cannot see what follows it",
        "A language model learns to guess the next word. So that it cannot cheat, each word may look only at the words "
        "before it: this is <b class='c'>causal attention</b>. We take the longest word that your sentences share at their "
        "beginning and compare its two vectors. A <em>cosine</em> of 1 means that they point the same way.",
    ),
    (
        "Open the mask",
        "The rule of who may look at whom is a table of yes and no, the <em>mask</em>. LLM2Vec’s first step fills its empty "
        "half: <b class='b'>bidirectional attention</b>. How much of their attention do words then give to what comes "
        "later?",
    ),
    (
        "The same word, two vectors",
        "With the mask open, a word takes in what follows it. In training with masked words (<em>MNTP</em>, masked next token "
        "prediction) the model practises using both sides, and in contrastive training (<em>SimCSE</em>) it practises telling "
        "sentences apart. Does the shared word now differ between your sentences?",
    ),
    (
        "From words to one vector",
        "A search engine wants one vector for the whole sentence. One can take the last token’s, or the mean of all. Under "
        "causal attention the first tokens have seen little of the sentence, and they count in the mean all the same.",
    ),
    (
        "A way round it: say it twice",
        "<em>Echo embeddings</em> leave the model causal and give it the sentence twice. A word in the second copy comes after "
        "the whole first copy, so it has seen everything.",
    ),
    (
        "Alike, compared with what?",
        "A cosine by itself says little: some encoders find any two sentences alike. So we hold your pair against pairs "
        "of sentences that have nothing to do with each other, under the same encoder, and count how many of them are less "
        "alike than yours.",
    ),
    (
        "Prove it on your sentence",
        "The <em>prefix test</em> needs no knowledge of the model: write one more word at the end and look whether any earlier "
        "vector moves. If none does, the model is causal. If they do, it sees the future.",
    ),
)
