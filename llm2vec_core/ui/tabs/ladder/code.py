"""The Python that does what the ladder tab shows."""

from __future__ import annotations

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import encoder_code, encoder_imports


def snippet(preset: ModelPreset, key: str, text: str, expected: str) -> str:
    """Code for the chosen rung, with the visitor's sentence.

    Args:
        preset: the model.
        key: of the rung.
        text: with blanks.
        expected: the missing words, with spaces between them.
    """
    lines = [
        *encoder_imports([key], "fill_blanks", "measure_pairs"),
        "from llm2vec_core.bundled_data import sentence_pairs",
        "",
        f"encoder = {encoder_code(key, preset)}",
        "cosines = measure_pairs(encoder, sentence_pairs())",
        "separation = cosines.separation()",
        "print(separation.score, separation.low, separation.high)",
        "for label in cosines.by_label:",
        "    print(label, cosines.mean(label))",
        "",
        f"text, expected = {text!r}, {expected.split()!r}",
    ]
    for stage in preset.stages:
        lines.append(f"blanks = fill_blanks({encoder_code(stage.key, preset)}, text, expected=expected)")
        lines.append(f"print({stage.label!r}, blanks)")
    return "\n".join(lines) + "\n"
