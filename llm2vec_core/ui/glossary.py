# ruff: noqa: E501 (prose)
"""Terms of the field, each explained once; a term on the page shows its explanation on hover and focus."""

from __future__ import annotations

from markupsafe import Markup

from llm2vec_core.charts.svg import element

GLOSSARY = {
    "anisotropy": "All vectors of an encoder point in nearly one direction, so that any two texts have a high cosine.",
    "attention": "How much each word draws on every other word when its vector is computed. Each word's shares add up to 1.",
    "bidirectional attention": "Every word can see every other word of the text, before and after it.",
    "causal attention": "Each word can see only itself and the words before it, so that a model cannot cheat at guessing the "
    "next word.",
    "contrastive training": "Training that moves the vectors of texts that belong together closer, and all others apart.",
    "cosine": "How closely the directions of two vectors match: 1 if they point the same way, 0 if they have nothing in common.",
    "echo embeddings": "A workaround without training: the text is given twice, and only the second copy is pooled.",
    "encoder": "A model that turns a text into one vector, so that texts can be compared, searched and grouped.",
    "head": "One of several attention patterns that a layer computes side by side.",
    "layer": "One of the steps in which a model computes the words' vectors, each from those of the step before.",
    "logit lens": "A vector read with the model's own output layer: which words would it predict?",
    "mask": "The yes/no table of which words each word may see.",
    "MNTP": "Masked next token prediction: a word is hidden, and the model guesses it from both sides.",
    "pooling": "Making one vector for the whole text out of the vectors of its tokens, for instance their mean.",
    "separation": "The chance that a pair of similar texts has a higher cosine than an unrelated pair; 50% is guessing.",
    "SimCSE": "Contrastive training without labels: each text is read twice with random dropout, and its two vectors are the "
    "pair that belongs together.",
    "token": "A piece of text that the model reads at once: a word, part of a word, or a punctuation mark.",
    "vector": "A list of numbers. A model computes one for each token in each layer.",
}


def term(name: str, shown: str = "") -> Markup:
    """A term with its explanation.

    Args:
        name: a key of :data:`GLOSSARY`.
        shown: as it is written here, such as its plural; by default the name.

    Example:
        >>> str(term("cosine", "cosines"))[:57]
        '<span class="l2v-term" tabindex="0">cosines<span role="to'
    """
    tip = element("span", GLOSSARY[name], role="tooltip")
    return element("span", shown or name, tip, class_="l2v-term", tabindex="0")
