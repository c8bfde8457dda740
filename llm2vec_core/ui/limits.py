"""Bounds that keep one visitor from taking the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one visitor from taking the machine.

    Attributes:
        text_characters: longest text in a field.
        token_pictures: tokens drawn of one text.
        training_texts: texts of a visitor's own to train on.
        training_steps: steps of one run.
        training_seconds: after which a run stops by itself.
        results: search results shown.
        results_megabytes: of what all sessions together keep of their own texts and adapters, over a longer time.
        index_at_once: own texts that are indexed without being asked; more wait for the button.
        index_megabytes: of one index of own texts (20,000 x 384 in float32 are 30.7); a visitor keeps two at most.
        scored_queries: of a visitor's labelled texts, this many ask for the others of their label.
        user_texts: rows of a visitor's own texts.
        user_characters: characters of them all.
        label_characters: of a label; the rest is cut off.
        blank_rows: blank rows that are passed over before it is said that something is wrong.
        map_points: texts on one map.
        compared_texts: texts that are compared with each other.
        api_texts: texts of one call of an endpoint.
        api_characters: characters of them all.
        adapter_bytes: of an adapter's weights that are uploaded.
    """

    text_characters: int = 20_000
    token_pictures: int = 32
    training_texts: int = 2_000
    training_steps: int = 400
    training_seconds: float = 180.0
    results: int = 8
    results_megabytes: int = 1024
    index_at_once: int = 400
    index_megabytes: int = 64
    scored_queries: int = 200
    user_texts: int = 20_000
    user_characters: int = 10_000_000
    label_characters: int = 60
    blank_rows: int = 20_000
    map_points: int = 5_000
    compared_texts: int = 40
    api_texts: int = 256
    api_characters: int = 500_000
    adapter_bytes: int = 64 * 2**20
