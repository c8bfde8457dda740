"""What this tab says. Plain words first; a technical term is explained on hover and focus where it first appears."""

from __future__ import annotations

from markupsafe import Markup

from llm2vec_core.ui.glossary import term

INTRO = Markup(
    '<div class="l2v"><h2>Does a word know what comes after it?</h2>'
    '<p><span class="l2v-wide">A model turns each word into a {}. </span>Follow two sentences that begin alike through the '
    "model, in eight short steps.</p></div>"
).format(term("vector"))

# The two states of the picture; page-wide names, because tab.css looks for them from the container.
SWITCH = """
<fieldset class="l2v l2v-see-switch"><legend>Which words can each word see?</legend><div>
<label class="c"><input type="radio" name="l2v-see-direction" id="l2v-see-causal" checked>
<span>Causal <small>only what comes before</small></span></label>
<label class="b"><input type="radio" name="l2v-see-direction" id="l2v-see-bidi">
<span>Bidirectional <small>both sides</small></span></label></div><p role="status"></p></fieldset>
"""

CLASS_MATERIAL = Markup(
    '<a href="l2v/CLASS.md" download>Teach it: a 45-minute class</a>, '
    '<a href="l2v/lesson.ipynb" download>the lesson as a notebook</a>'
)

WORKSHOP = Markup(
    '<div class="l2v l2v-see-workshop"><h2>Workshop</h2><p>The same sentences, taken apart: '
    '<a href="#see-endings">change the ending</a>, <a href="#see-lens">read a vector</a>, '
    '<a href="#attention-picture">look at every head</a>, <a href="#similarity">compare the sentences</a>. {}.</p></div>'
).format(CLASS_MATERIAL)

ENDINGS_INTRO = Markup(
    '<div class="l2v"><h2>Change the ending, watch the beginning</h2>'
    "<p>Type <b>another ending</b>. The bars show how far the vector of each word of the beginning moves from where it was "
    "with the first ending. A word may be split into several {}; a hyphen marks where it continues.</p></div>"
).format(term("token", "tokens"))

ATTENTION_INTRO = Markup(
    '<div class="l2v"><h2>Where each word looks</h2>'
    "<p>Each {} holds several {} of {}, and each of them looks for something different. Choose one in the overview, or in the two "
    "fields.</p></div>"
).format(term("layer"), term("head", "heads"), term("attention"))

LENS_INTRO = Markup(
    '<div class="l2v"><h2>What a vector says</h2>'
    "<p>The {} reads any vector with the model's own output layer: which words would it predict? Choose a word, or the whole "
    "sentence. “…” marks a piece that would continue a word.</p></div>"
).format(term("logit lens"))

STRIPS_INTRO = Markup(
    '<div class="l2v"><h2>How similar are the two sentences?</h2>'
    "<p>{} makes one vector out of all token vectors. The {} of two such vectors says how similar the sentences are to "
    "the {}.</p></div>"
).format(term("pooling", "Pooling"), term("cosine"), term("encoder"))

# What a step's numbers measure, and why this and not the number of the step before.
MEASURED = {
    "mask": "how far an earlier word moves when the end changes",
    "shared-word": "cosine of one word's two vectors",
    "attention": "share of attention that goes to later words",
    "pooled": "cosine of your two sentence vectors",
    "dip": "separation. One cosine cannot be right or wrong, so from here on our labelled pairs judge the encoder.",
    "mntp": "separation, as in the step before",
    "simcse": "mean cosine of our 80 unrelated pairs, because moving these apart is what this step trains. Separation is in the text.",
    "search": "nDCG@10 on our test questions, because a search is judged by its order, not by its cosines.",
}
# Tabs to go on with, by key.
ONWARD = (
    ("compare", "Compare", "your own pairs, under every encoder"),
    ("search", "Search", "your own texts"),
    ("map", "Map", "which texts lie together"),
    ("train", "Train", "your own adapter, here"),
    ("away", "Export", "the encoder, to take home"),
)

MEASURES = [("Change of direction (1 − cosine)", "cosine"), ("Relative distance", "distance")]

ADDED_WORD = "indeed"
# Why a shared word has the same vector twice; REASON is the right one.
REASONS = (
    "the two sentences mean the same",
    "all that the model can see up to this word is the same in both",
    "the word has only one meaning",
)
REASON = 1
SEPARATION = "chance that one of our similar pairs has a higher cosine than one of our unrelated ones"

NOTHING_SHARED = (
    "Your two sentences do not begin with the same word, so there is no shared word to follow. Give them the same first "
    "words, or choose an example with a shared beginning."
)
SEARCH_ELSEWHERE = "For this encoder our texts have not been encoded yet. Open the Search tab, which encodes them once and shows its progress."

# A step about a stage that the picture does not show: the model has none, or its weights are loaded only when chosen.
NO_SUCH_STAGE = (
    "{} comes without an adapter for this step, so there is nothing to measure, and the picture still shows {}. Choose another "
    "model to see what this step does."
)
OTHER_STAGE = "This step is about {}, and the picture shows {}. Choose that encoder to see what the step does."

DIP_WORSE = Markup(
    "opening the mask has <b>damaged</b> it. The weights were trained for words that see only what comes before; now each "
    "word is mixed with words that it never learned to use. This is the dip that training has to mend."
)
DIP_SAME = Markup(
    "no clear difference. On large language models opening the mask usually does harm; by this measure this model shows no dip."
)
DIP_BETTER = Markup(
    "it has become <b>better</b> at it. On large language models opening the mask usually does harm; by this measure this model shows no dip."
)
# What the numbers of a step say, by verdict: better, no clear difference, worse.
DIP_HEADLINES = ("Here, opening the mask already helps", "Opening changes little here", "Opening alone is not enough")
MNTP_HEADLINES = ("Practice helps", "Practice makes no clear difference here", "Practice did harm here")
SIMCSE_HEADLINES = ("Unrelated texts move apart", "Unrelated texts stay where they were")
MNTP_BETTER = Markup("Practice at guessing words has carried over to comparing sentences.")
MNTP_SAME = Markup("The step makes no clear difference to this measure here.")
MNTP_WORSE = Markup("By this measure the step did harm here.")
SIMCSE_APART = Markup("Contrastive training asks for exactly that: different texts are pushed apart.")
SIMCSE_STILL = Markup("Here this step has hardly moved them apart.")

STEPS = (
    (
        "Mask",
        "A word cannot see what comes after it",
        Markup(
            "A language model learns to guess the next word. So that it cannot cheat, each word can see only itself and the "
            "words before it: {}. The arcs above the words show it: each one leads from a word that is seen to a word that sees it. Which "
            "words can see which is decided by a yes/no table, the {}."
        ).format(term("causal attention"), term("mask")),
    ),
    (
        "Shared words",
        "One word, two sentences: one vector?",
        Markup(
            "Each row below the words is a {}, and each cell holds one {}. For the words that both sentences share, the colour "
            "shows how far the two vectors differ: blue means not at all, orange that they do. We follow the longest shared word that the model reads in one piece. A {} of 1 "
            "says that its two vectors point the same way, 0 that they have nothing in common."
        ).format(term("layer"), term("vector"), term("cosine")),
    ),
    (
        "Attention",
        "Open the mask",
        Markup(
            "LLM2Vec is a recipe of three steps. The first opens the empty half of the mask: {}. New arcs appear below the words, "
            "from later words to earlier ones. What opening alone does comes in step 5."
        ).format(term("bidirectional attention")),
    ),
    (
        "Pooling",
        "From words to one vector",
        Markup(
            "Search needs one vector for the whole sentence. {} makes it: usually the mean of all token vectors. You can also "
            "take the last token's vector, the only one that has seen everything under causal attention."
        ).format(term("pooling", "Pooling")),
    ),
    (
        "Untrained",
        "Is opening the mask enough?",
        Markup(
            "The picture now shows the opened model before any training. To judge it, we use pairs of sentences that we "
            "labelled: the {} is the chance that one of our similar pairs gets a higher cosine than one of our unrelated ones. 50% is a coin toss."
        ).format(term("separation")),
    ),
    (
        "MNTP",
        "Practise using both sides",
        Markup(
            "The second step of LLM2Vec is {}, masked next token prediction: some words are hidden, and the model guesses them from "
            "both sides. Only a small add-on is trained, an adapter, on plain text without labels."
        ).format(term("MNTP")),
    ),
    (
        "SimCSE",
        "Learn to tell sentences apart",
        Markup(
            "The third step is {} ({}). Each sentence is read twice with random dropout. Its two vectors should match, and "
            "differ from those of all other sentences. No labels are needed."
        ).format(term("contrastive training"), term("SimCSE")),
    ),
    (
        "Search",
        "Put it to use",
        Markup(
            "A text {} is judged by what it finds. Your Sentence A becomes a query, and every text in our collection is ranked "
            "by its {} with it."
        ).format(term("encoder"), term("cosine")),
    ),
)
