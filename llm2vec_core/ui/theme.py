"""Gradio's own colours, type and corners; ``page.css`` and the tabs' ``style.css`` dress what this project draws."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent
# A tab may bring its own style.
CSS_FILES = (HERE / "page.css", *sorted((HERE / "tabs").glob("*/style.css")))
SCRIPT_FILE = HERE / "page.js"

BODY_FONT = (
    "Inter",
    "ui-sans-serif",
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Liberation Sans",
    "sans-serif",
)
MONO_FONT = ("ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Liberation Mono", "monospace")


def page_theme() -> gr.themes.Base:
    """Paper and ink, with square-shouldered controls; no font is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        secondary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.stone,
        font=list(BODY_FONT),
        font_mono=list(MONO_FONT),
        radius_size=gr.themes.sizes.radius_md,
    ).set(
        body_background_fill="#f7f5f0",
        body_background_fill_dark="#14161b",
        background_fill_primary="#fffdf9",
        background_fill_primary_dark="#1b1e25",
        background_fill_secondary="#f1eee7",
        background_fill_secondary_dark="#20242c",
        block_background_fill="#fffdf9",
        block_background_fill_dark="#1b1e25",
        block_border_color="#e3ded3",
        block_border_color_dark="#2e333d",
        border_color_primary="#e3ded3",
        border_color_primary_dark="#2e333d",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        input_background_fill="#ffffff",
        input_background_fill_dark="#14161b",
        button_primary_background_fill="#b84a0c",
        button_primary_background_fill_hover="#963b08",
        button_primary_background_fill_dark="#c9581a",
        button_primary_background_fill_hover_dark="#e06a26",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
    )
