"""Colours, type and spacing. Blue is causal, orange is bidirectional, on the whole page."""

from __future__ import annotations

import gradio as gr

BODY_FONT = ("Inter", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif")
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


CSS = """
:root {
  --causal: #2f6fb3; --bidi: #b84a0c; --causal-soft: #dbe8f5; --bidi-soft: #fbe3d2;
  --paper: #fffdf9; --ink: #1d2129; --muted: #5f6470; --line: #e3ded3; --good: #00795a; --track: #ece8df;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Liberation Serif", Georgia, serif;
}
.dark {
  --causal: #6fb1f2; --bidi: #ff9a57; --causal-soft: #1d3147; --bidi-soft: #472a17;
  --paper: #1b1e25; --ink: #ecebe6; --muted: #a2a6b0; --line: #2e333d; --good: #4fd1a5; --track: #2a2f38;
}
.block:has(.l2v-notice:empty) { display: none; }
.gradio-container .html-container { padding: 0 !important; }
.gradio-container .row { gap: 12px; }
.gradio-container .column, .gradio-container .gap { gap: 12px; }
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; padding: 0 20px 48px !important; box-sizing: border-box; }
.gradio-container > .main, .gradio-container > .main > .wrap { padding: 0 !important; }
footer { opacity: .75; }
.l2v { color: var(--ink); font-size: 15px; line-height: 1.5; }
.l2v * { box-sizing: border-box; }
.l2v-hero { padding: 22px 0 0; }
.l2v-hero h1 { font: 600 40px/1.12 var(--serif); letter-spacing: -.01em; margin: 0 0 10px; color: var(--ink); max-width: 22em; }
.l2v-hero p { font-size: 17px; max-width: 46em; margin: 0 0 10px; color: var(--muted); }
.l2v-hero b.c, .l2v .c { color: var(--causal); } .l2v-hero b.b, .l2v .b { color: var(--bidi); }
.l2v h2 { font: 600 23px/1.25 var(--serif); margin: 10px 0 4px; color: var(--ink); }
.l2v h3 { font-size: 16px; font-weight: 650; line-height: 1.3; margin: 0 0 6px; color: var(--ink); }
.l2v h3.c { color: var(--causal); } .l2v h3.b { color: var(--bidi); }
.l2v p { margin: 8px 0; max-width: 62em; }
.l2v .muted { color: var(--muted); font-size: 14px; }
.l2v .notice-dot { color: var(--bidi); font-weight: 700; }
.l2v-badge { display: inline-flex; flex-wrap: wrap; gap: 6px 14px; align-items: baseline; border: 1px solid var(--line);
  background: var(--paper); border-radius: 8px; padding: 7px 14px; font-size: 14px; color: var(--ink); }
.l2v-badge b { font-weight: 650; } .l2v-badge .ok { color: var(--good); font-weight: 650; }
.l2v-card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; }
.l2v-key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13.5px; color: var(--muted); margin: 2px 0 12px; }
.l2v-key i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.l2v-tokens { width: 100%; border: 0 !important; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.l2v-tokens th, .l2v-tokens td, .l2v-tokens tr { border: 0 !important; background: none !important; }
.l2v-tokens th { text-align: left; font-weight: 600; font-size: 13px; color: var(--muted); padding: 0 10px 6px 0; }
.l2v-tokens td { padding: 5px 10px 5px 0 !important; border-top: 1px solid var(--line) !important; vertical-align: middle; }
.l2v-tokens td.t { font-weight: 600; white-space: nowrap; max-width: 9em; overflow: hidden; text-overflow: ellipsis; }
.l2v-tokens td.n { width: 4.2em; text-align: right; padding-right: 12px; }
.l2v-tokens .bar { display: block; height: 14px; border-radius: 3px; min-width: 0; }
.l2v-tokens .track { display: block; background: var(--track); border-radius: 3px; }
.l2v-tokens .barcell { width: 34%; }
.l2v-split { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 22px; }
.l2v-svg { width: 100%; height: auto; display: block; font-family: inherit; }
.l2v-svg text { fill: var(--ink); } .l2v-svg .q { fill: var(--muted); }
.l2v-hits { list-style: none; margin: 0; padding: 0; }
.l2v-hits li { border-top: 1px solid var(--line); padding: 9px 0; display: grid; grid-template-columns: 2.1em minmax(0, 1fr) auto; gap: 0 8px; }
.l2v-hits .rank { font: 600 20px/1.2 var(--serif); color: var(--muted); }
.l2v-hits .meta { font-size: 12.5px; color: var(--muted); white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
.l2v-hits .topic { font-size: 12.5px; font-weight: 650; }
.l2v-hits .topic i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 4px; }
.l2v-hits .rel { color: var(--good); font-weight: 650; }
.l2v-hits .up { color: var(--good); } .l2v-hits .down { color: var(--muted); }
.l2v-notice:empty { display: none; }
.l2v-notice { border-left: 4px solid var(--bidi); background: var(--bidi-soft); color: var(--ink); border-radius: 6px;
  padding: 10px 14px; font-size: 15px; overflow-wrap: anywhere; }
.l2v-legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13.5px; color: var(--ink); }
.l2v-legend svg { display: inline-block; width: 14px; height: 14px; vertical-align: -2px; margin-right: 5px; }
.l2v-plot { width: 100%; min-height: 120px; }
.l2v-numbers { display: flex; flex-wrap: wrap; gap: 10px 30px; margin: 4px 0 2px; }
.l2v-numbers div b { display: block; font: 600 27px/1.15 var(--serif); font-variant-numeric: tabular-nums; }
.l2v-numbers div span { font-size: 13px; color: var(--muted); }
.l2v details summary { cursor: pointer; color: var(--muted); font-size: 14px; }
.l2v table.plain { border-collapse: collapse; font-size: 14px; margin-top: 6px; }
.l2v table.plain td, .l2v table.plain th { border: 1px solid var(--line); padding: 3px 9px; text-align: left; }
@media (max-width: 700px) {
  .gradio-container { padding: 0 12px 40px !important; }
  .l2v-hero h1 { font-size: 29px; } .l2v-hero p { font-size: 16px; }
  .l2v-split { grid-template-columns: minmax(0, 1fr); }
  .l2v-card { padding: 14px 13px; }
  .l2v-tokens .barcell { width: 24%; }
  .l2v-tokens td, .l2v-tokens th { padding-right: 5px; font-size: 13px; }
  .l2v-tokens td.n { width: 3.2em; padding-right: 6px; }
}
"""
