"""Embeddings as files, the model, code, and the API endpoints."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import gradio as gr

from llm2vec_core.acceleration import int8_is_faster
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui import copy as page_copy
from llm2vec_core.ui.api import CALLS_AT_ONCE, NAMES, Endpoints
from llm2vec_core.ui.components import code_view, notice_panel, panel
from llm2vec_core.ui.handlers import guarded, guarded_stream, latest_only
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.export import code, copy
from llm2vec_core.ui.tabs.export.endpoints import described
from llm2vec_core.ui.tabs.export.model import Made, Order, can_export, embed, export, file_size
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import chosen_texts, text_picker

# Fills in this page's address; and again whenever the panel changes.
FILL_ORIGIN = """
const here = location.origin + location.pathname.replace(/\\/$/, '');
const fill = () => element.querySelectorAll('.l2v-origin').forEach(e => { e.textContent = here; });
watch('value', () => setTimeout(fill)); fill();
"""


STOP = "away: stop"


def make_file(page: Page, session: Session, source: str, *order: Any) -> Iterator[tuple[Any, Any]]:
    """Embed the chosen texts; yields (status, download button)."""
    wanted, texts = Order(*order), chosen_texts(session, source)
    start = monotonic()
    # A flag and no cancelled event: what a cancelled one had still on its way would be shown over "Stopped".
    session.by_tab[STOP] = False
    yield render("export/progress.html", done=0, total=len(texts), seconds=0.0), gr.update(interactive=False)
    for step in embed(page.context_of(session), session, texts, wanted):
        if session.by_tab[STOP]:
            yield render("status.html", message=copy.STOPPED), gr.skip()
            return
        seconds = monotonic() - start
        if isinstance(step, Made):
            name, size = Path(step.path).name, file_size(step.bytes)
            status = render("export/made.html", made=step, name=name, size=size, seconds=seconds)
            yield status, gr.update(value=step.path, label=f"Download {name} ({size})", interactive=True)
        else:
            yield render("export/progress.html", done=step, total=len(texts), seconds=seconds), gr.skip()


def stop_making(session: Session) -> None:
    """Ask the visitor's job to end after the piece that it is at."""
    session.by_tab[STOP] = True


def code_of(page: Page, session: Session, source: str, *order: Any) -> tuple[str, str]:
    """The same as Python and as a command."""
    wanted, preset = Order(*order), page.context_of(session).preset
    session.choice(wanted.encoder, page.context_of(session))
    texts = chosen_texts(session, source)
    shell = code.command(preset, wanted)
    shown = code_block(shell or copy.NO_COMMAND, "On the command line", "away-command")
    return code.python(preset, wanted, texts.texts, texts.name), shown


def code_block(source: str, label: str, elem_id: str = "") -> str:
    """Source text with a button that copies it."""
    return render("export/code_block.html", source=source, label=label, elem_id=elem_id)


def _build(page: Page, tab: gr.Tab) -> None:
    panel(render("export/intro.html"))
    texts = text_picker(page, "away")
    with gr.Row():
        encoder = page.picker("Encoder", baselines=True, follows=True, elem_id="away-encoder", min_width=240)
        pooling = gr.Dropdown(
            [(page_copy.POOLING_LABELS.get(name, name), name) for name in POOLING_MODES],
            value="mean",
            label="Pooling",
            elem_id="away-pooling",
            min_width=240,
        )
    instruction = gr.Textbox(
        label="Instruction",
        info=copy.INSTRUCTION_INFO,
        placeholder=copy.INSTRUCTION_HINT,
        elem_id="away-instruction",
    )
    with gr.Row():
        kind = gr.Dropdown(copy.FORMATS, value="parquet", label="File", elem_id="away-kind", min_width=240)
        precision = gr.Dropdown(
            copy.precisions(int8_is_faster()), value="full", label="Precision", elem_id="away-precision", min_width=240
        )
        normalize = gr.Checkbox(
            True, label="Normalised", container=True, show_label=False, elem_id="away-normalize", min_width=140
        )
    with gr.Row(elem_id="away-actions"):
        run = gr.Button("Create file", variant="primary", elem_id="away-run", min_width=150)
        stop = gr.Button("Stop", elem_id="away-stop", min_width=90)
        download = gr.DownloadButton(copy.NO_FILE, interactive=False, elem_id="away-download")
    notice = notice_panel("away-notice")
    status = panel(elem_id="away-status")
    code = code_view("away-code")
    code_notice = notice_panel("away-code-notice")
    panel(render("export/command_intro.html"))
    shell = panel(elem_id="away-shell")

    panel(render("export/model_intro.html"))
    if can_export():
        with gr.Row(elem_id="away-export-row"):
            stage = page.picker("Stage", follows=True, elem_id="away-stage", min_width=240)
            zip_it = gr.Button("Create folder", elem_id="away-export", min_width=150)
            zipped = gr.DownloadButton(copy.NO_FILE, interactive=False, elem_id="away-zip")
        export_notice = notice_panel("away-export-notice")
        preset = page.context.preset
        folder = f"llm2vec-mini-{preset.default.key}" if preset.bundled else "my-encoder"
        panel(code_block(copy.EXPORT_PYTHON.format(folder=folder), "Load it"))
        _bind_export(page, stage, zip_it, zipped, export_notice)
    else:
        panel(render("export/no_export.html"))
        panel(code_block(copy.EXPORT_COMMANDS, "Create it yourself", "away-export-commands"))

    panel(render("export/api_intro.html", texts=page.models.limits.api_texts, parallel=CALLS_AT_ONCE))
    panel(render("export/examples.html", python=copy.API_PYTHON, shell=copy.API_CURL), js_on_load=FILL_ORIGIN)
    with gr.Accordion("Inputs and outputs", open=False, elem_id="away-endpoints"):
        endpoints = Endpoints(page.context)
        panel(render("export/endpoints.html", endpoints=[described(getattr(endpoints, name)) for name in NAMES]))
    request = copy.API_OPENAI.replace("MODEL", page.models.default.preset.key)
    mcp = importlib.util.find_spec("mcp") is not None
    panel(render("export/more_clients.html", openai=request, mcp=mcp), js_on_load=FILL_ORIGIN)
    panel(render("export/links.html"))

    order = [encoder, pooling, instruction, normalize, precision, kind]
    run.click(
        guarded_stream(2)(lambda session, source, *values: make_file(page, session, source, *values)),
        [page.session, texts.source, *order],
        [notice, status, download],
        concurrency_id="files",
        concurrency_limit=1,
        trigger_mode="multiple",
        show_progress="hidden",
        api_name=False,
    )
    stop.click(stop_making, page.session, None, api_name=False, show_progress="hidden")
    show = latest_only(
        {
            "fn": guarded(2)(lambda session, source, *values: code_of(page, session, source, *values)),
            "inputs": [page.session, texts.source, *order],
            "outputs": [code_notice, code, shell],
            "show_progress": "hidden",
            "api_name": False,
            "queue": False,
        }
    )
    gr.on([field.input for field in order], **show)
    texts.then(**show)
    tab.select(**show)
    page.link(
        away_encoder=encoder,
        away_pooling=pooling,
        away_instruction=instruction,
        away_normalize=normalize,
        away_precision=precision,
        away_kind=kind,
    )
    page.refreshers["away"] = show


def _bind_export(page: Page, stage: Any, run: gr.Button, download: gr.DownloadButton, notice: gr.HTML) -> None:
    def make(session: Session, key: str) -> Any:
        path = export(page.context_of(session), session, key)
        size = file_size(Path(path).stat().st_size)
        return gr.update(value=path, label=f"Download {Path(path).name} ({size})", interactive=True)

    run.click(
        guarded(1)(make),
        [page.session, stage],
        [notice, download],
        concurrency_id="files",
        show_progress="minimal",
        api_name=False,
    )


TAB = Tab("away", "Export", _build)
