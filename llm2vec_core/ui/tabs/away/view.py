"""Take it away: embeddings as files, the model, code, the addresses for programs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import gradio as gr

from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui import text as page_text
from llm2vec_core.ui.api import CALLS_AT_ONCE, NAMES, Endpoints
from llm2vec_core.ui.handlers import guarded, guarded_stream, in_order
from llm2vec_core.ui.html import code_view, notice_panel, panel
from llm2vec_core.ui.own_texts import chosen_texts, own_texts
from llm2vec_core.ui.tabs.away import paint, snippet, text
from llm2vec_core.ui.tabs.away.answers import Made, Order, can_export, embed, export
from llm2vec_core.ui.tabs.base import Page, Tab
from llm2vec_core.ui.visitor import Visitor

# Fills in this page's address; and again whenever the words change.
FILL_ORIGIN = """
const here = location.origin + location.pathname.replace(/\\/$/, '');
const fill = () => element.querySelectorAll('.l2v-origin').forEach(e => { e.textContent = here; });
watch('value', () => setTimeout(fill)); fill();
"""


STOP = "away: stop"


def make_file(page: Page, visitor: Visitor, source: str, *order: Any) -> Iterator[tuple[Any, Any]]:
    """Embed the chosen texts; yields (status, download button)."""
    wanted, texts = Order(*order), chosen_texts(visitor, source)
    start = monotonic()
    # A flag and no cancelled event: what a cancelled one had still on its way would be shown over "Stopped".
    visitor.by_tab[STOP] = False
    yield paint.progress(0, len(texts), 0.0), gr.update(interactive=False)
    for told in embed(page.context_of(visitor), visitor, texts, wanted):
        if visitor.by_tab[STOP]:
            yield text.STOPPED, gr.skip()
            return
        seconds = monotonic() - start
        if isinstance(told, Made):
            name = Path(told.path).name
            label = f"Download {name} ({paint.file_size(told.bytes)})"
            status = paint.made(told.rows, told.dimensions, told.bytes, seconds, name)
            yield status, gr.update(value=told.path, label=label, interactive=True)
        else:
            yield paint.progress(told, len(texts), seconds), gr.skip()


def stop_making(visitor: Visitor) -> None:
    """Ask the visitor's job to end after the piece that it is at."""
    visitor.by_tab[STOP] = True


def code_of(page: Page, visitor: Visitor, source: str, *order: Any) -> tuple[str, str]:
    """The same as Python and as a command."""
    wanted, preset = Order(*order), page.context_of(visitor).preset
    visitor.choice(wanted.encoder, page.context_of(visitor))
    texts = chosen_texts(visitor, source)
    shell = snippet.command(preset, wanted)
    shown = paint.code(shell or text.NO_COMMAND, "On the command line", "away-command")
    return snippet.python(preset, wanted, texts.texts, texts.name), shown


def _build(page: Page, tab: gr.Tab) -> None:
    panel(text.INTRO)
    texts = own_texts(page, "away")
    with gr.Row():
        encoder = page.picker("Encoder", rivals=True, follows=True, elem_id="away-encoder", min_width=240)
        pooling = gr.Dropdown(
            [(page_text.POOLING_LABELS.get(name, name), name) for name in POOLING_MODES],
            value="mean",
            label="Pooling",
            elem_id="away-pooling",
            min_width=240,
        )
    instruction = gr.Textbox(
        label="Instruction",
        info=text.INSTRUCTION_INFO,
        placeholder=text.INSTRUCTION_HINT,
        elem_id="away-instruction",
    )
    with gr.Row():
        kind = gr.Dropdown(text.FORMATS, value="parquet", label="File", elem_id="away-kind", min_width=240)
        precision = gr.Dropdown(
            text.PRECISIONS, value="full", label="Precision", elem_id="away-precision", min_width=240
        )
        normalize = gr.Checkbox(
            True, label="Normalised", container=True, show_label=False, elem_id="away-normalize", min_width=140
        )
    with gr.Row(elem_id="away-actions"):
        run = gr.Button("Make the file", variant="primary", elem_id="away-run", min_width=150)
        stop = gr.Button("Stop", elem_id="away-stop", min_width=90)
        download = gr.DownloadButton("Nothing to download yet", interactive=False, elem_id="away-download")
    notice = notice_panel("away-notice")
    status = panel(elem_id="away-status")
    code = code_view("away-code")
    code_notice = notice_panel("away-code-notice")
    panel(text.COMMAND_INTRO)
    shell = panel(elem_id="away-shell")

    panel(text.MODEL_INTRO)
    if can_export():
        with gr.Row(elem_id="away-export-row"):
            stage = page.picker("Stage", follows=True, elem_id="away-stage", min_width=240)
            zip_it = gr.Button("Make the folder", elem_id="away-export", min_width=150)
            zipped = gr.DownloadButton("Nothing to download yet", interactive=False, elem_id="away-zip")
        export_notice = notice_panel("away-export-notice")
        panel(paint.code(text.EXPORT_PYTHON.format(key=page.context.preset.default.key), "Read it"))
        _bind_export(page, stage, zip_it, zipped, export_notice)
    else:
        panel(text.NEEDS_EXPORT)
        panel(paint.code(text.EXPORT_COMMANDS, "Make it yourself", "away-export-commands"))

    panel(text.API_INTRO.format(texts=page.models.limits.api_texts, parallel=CALLS_AT_ONCE))
    endpoints = Endpoints(page.context)
    examples = paint.code(text.API_PYTHON, "Python", "away-api-python") + paint.code(
        text.API_CURL, "Shell", "away-api-curl"
    )
    panel(f'<div class="l2v l2v-away-examples">{examples}</div>', js_on_load=FILL_ORIGIN)
    with gr.Accordion("What the four take and answer", open=False):
        panel(paint.endpoint_table([getattr(endpoints, name) for name in NAMES]))
    panel(text.MCP_ON if importlib.util.find_spec("mcp") else text.MCP_OFF, js_on_load=FILL_ORIGIN)
    panel(text.LINKS)

    order = [encoder, pooling, instruction, normalize, precision, kind]
    run.click(
        guarded_stream(2)(lambda visitor, source, *values: make_file(page, visitor, source, *values)),
        [page.visitor, texts.source, *order],
        [notice, status, download],
        concurrency_id="files",
        concurrency_limit=1,
        trigger_mode="multiple",
        show_progress="hidden",
        api_name=False,
    )
    stop.click(stop_making, page.visitor, None, api_name=False, show_progress="hidden")
    show = in_order(
        {
            "fn": guarded(2)(lambda visitor, source, *values: code_of(page, visitor, source, *values)),
            "inputs": [page.visitor, texts.source, *order],
            "outputs": [code_notice, code, shell],
            "show_progress": "hidden",
            "api_name": False,
            "queue": False,
        }
    )
    gr.on([field.input for field in order], **show)
    texts.then(**show)
    tab.select(**show)
    page.share(
        away_encoder=encoder,
        away_pooling=pooling,
        away_instruction=instruction,
        away_normalize=normalize,
        away_precision=precision,
        away_kind=kind,
    )
    page.shows["away"] = show


def _bind_export(page: Page, stage: Any, run: gr.Button, download: gr.DownloadButton, notice: gr.HTML) -> None:
    def make(visitor: Visitor, key: str) -> Any:
        path = export(page.context_of(visitor), visitor, key)
        size = paint.file_size(Path(path).stat().st_size)
        return gr.update(value=path, label=f"Download {Path(path).name} ({size})", interactive=True)

    run.click(
        guarded(1)(make),
        [page.visitor, stage],
        [notice, download],
        concurrency_id="files",
        show_progress="minimal",
        api_name=False,
    )


TAB = Tab("away", "Take it away", _build)
