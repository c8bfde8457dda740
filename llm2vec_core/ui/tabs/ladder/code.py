"""The Python that does what the ladder tab shows."""

from __future__ import annotations

from collections.abc import Sequence

from llm2vec_core.ui.encoders import BASELINE_OPTIONS, USER_ADAPTER


def snippet(model_key: str, stages: Sequence[str], key: str, text: str, expected: str) -> str:
    """Code for the chosen rung, with the visitor's sentence.

    Args:
        model_key: of the preset.
        stages: keys of its stages.
        key: of the rung.
        text: with blanks.
        expected: the missing words, with spaces between them.

    Example:
        >>> print(snippet("mini", ["causal"], "causal", "A _ .", "").splitlines()[0])
        from llm2vec_core import BASELINES, LLM2Vec, fill_blanks, measure_pairs
    """
    if key in BASELINE_OPTIONS:
        encoder = f"BASELINES[{key!r}](LLM2Vec.from_preset({f'{model_key}:{stages[0]}'!r}))"
    elif key == USER_ADAPTER:
        encoder = 'LLM2Vec.from_pretrained("your-adapter")  # the folder that you downloaded in the Train tab'
    else:
        encoder = f"LLM2Vec.from_preset({f'{model_key}:{key}'!r})"
    models = [f"{model_key}:{stage}" for stage in stages]
    lines = [
        "from llm2vec_core import BASELINES, LLM2Vec, fill_blanks, measure_pairs",
        "from llm2vec_core.bundled_data import sentence_pairs",
        "",
        f"encoder = {encoder}",
        "cosines = measure_pairs(encoder, sentence_pairs())",
        "separation = cosines.separation()",
        "print(separation.score, separation.low, separation.high)",
        "for label in cosines.by_label:",
        "    print(label, cosines.mean(label))",
        "",
        f"text, expected = {text!r}, {expected.split()!r}",
        f"for name in {models!r}:",
        "    blanks = fill_blanks(LLM2Vec.from_preset(name), text, expected=expected)",
        "    print(name, blanks)",
    ]
    return "\n".join(lines) + "\n"
