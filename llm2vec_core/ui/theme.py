"""Gradio's own colours, type and corners; ``page.css`` and the tabs' ``tab.css`` dress what this project draws."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent
# A tab may bring its own style.
STATIC = HERE / "static"
CSS_FILES = (STATIC / "page.css", STATIC / "layout.css", *sorted((HERE / "tabs").glob("*/tab.css")))
SCRIPT_FILES = (STATIC / "figure.js", STATIC / "spoken.js", STATIC / "page.js")

# One face in two weights for the whole page, so that it looks alike on every system. Gradio brings it along and serves
# it itself (112 kB). Of most other faces it has a few letters only.
BODY_FONT = (
    gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)),
    "system-ui",
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
        block_border_color="#e3ded3",
        block_border_color_dark="#2e333d",
        border_color_primary="#e3ded3",
        border_color_primary_dark="#2e333d",
        block_shadow="none",
        # No boxes in boxes: fields have a border of their own, what holds them has none.
        block_border_width="0px",
        block_padding="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_label_padding="0",
        block_label_margin="0 0 2px 0",
        block_label_text_color="#5f6470",
        block_label_text_color_dark="#a2a6b0",
        block_label_text_weight="600",
        block_title_text_weight="600",
        block_title_text_color="#5f6470",
        block_title_text_color_dark="#a2a6b0",
        block_title_text_size="14px",
        block_info_text_color="#5f6470",
        block_info_text_color_dark="#a2a6b0",
        input_border_width="1px",
        input_border_color="#d3ccbe",
        input_border_color_dark="#3b414d",
        input_border_color_focus="#b84a0c",
        input_border_color_focus_dark="#ff9a57",
        input_shadow="none",
        input_shadow_focus="0 0 0 3px #b84a0c2e",
        input_shadow_focus_dark="0 0 0 3px #ff9a5740",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="#d3ccbe",
        checkbox_label_border_color_dark="#3b414d",
        checkbox_label_background_fill="#ffffff",
        checkbox_label_background_fill_dark="#14161b",
        checkbox_background_color_selected="#b84a0c",
        checkbox_background_color_selected_dark="#c9581a",
        checkbox_border_color_selected="#b84a0c",
        checkbox_border_color_selected_dark="#c9581a",
        slider_color="#b84a0c",
        slider_color_dark="#ff9a57",
        button_secondary_background_fill="#fffdf9",
        button_secondary_background_fill_hover="#f1eee7",
        button_secondary_background_fill_dark="#1b1e25",
        button_secondary_background_fill_hover_dark="#2a2f38",
        button_secondary_border_color="#d3ccbe",
        button_secondary_border_color_dark="#3b414d",
        button_border_width="1px",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        input_background_fill="#ffffff",
        input_background_fill_dark="#14161b",
        button_primary_background_fill="#b84a0c",
        button_primary_background_fill_hover="#963b08",
        button_primary_background_fill_dark="#b84a0c",
        button_primary_background_fill_hover_dark="#c0500f",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
    )
