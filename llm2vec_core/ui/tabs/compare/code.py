"""The Python that does what the tab shows."""

from __future__ import annotations

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import encoder_code, encoder_imports
from llm2vec_core.ui.tabs.compare.model import PERCENTILE, Fields, pooling_of


def snippet(fields: Fields, preset: ModelPreset) -> str:
    """Code that makes both matrices, their difference and the nearest texts.

    Args:
        fields: as they are.
        preset: the model.
    """
    percentile = fields.measure == PERCENTILE
    names = ["cosine_matrix", "nearest_texts", *(["percentiles", "unrelated_cosines"] if percentile else [])]
    lines = [
        *encoder_imports((fields.left, fields.right)),
        f"from llm2vec_core.similarity import {', '.join(names)}",
        "",
        "texts = [",
        *(f"    {text!r}," for text in fields.texts),
        "]",
        f"instruction = {fields.instruction or None!r}",
        f"first = {encoder_code(fields.left, preset)}",
        f"second = {encoder_code(fields.right, preset)}",
        "",
    ]
    for name, key in (("first", fields.left), ("second", fields.right)):
        mode = pooling_of(key, fields.pooling)
        lines.append(f"{name}_cosines = cosine_matrix({name}.encode(texts, instruction, pooling_mode={mode!r}))")
    lines.append("nearest = nearest_texts(first_cosines, second_cosines)")
    if percentile:
        for name, key in (("first", fields.left), ("second", fields.right)):
            mode = pooling_of(key, fields.pooling)
            lines.append(f"{name}_unrelated = unrelated_cosines({name}, instruction, pooling_mode={mode!r})")
        lines.append(
            "difference = 100 * (percentiles(second_cosines, second_unrelated) "
            "- percentiles(first_cosines, first_unrelated))"
        )
    else:
        lines.append("difference = second_cosines - first_cosines")
    return "\n".join([*lines, "print(difference.round(3))", "print(nearest.changed.mean())", ""])
