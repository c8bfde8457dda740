"""Embeddings as files, the model, code, and the API endpoints."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import gradio as gr

from llm2vec_core.acceleration import faster_precisions
from llm2vec_core.ui.api import CALLS_AT_ONCE, NAMES, Endpoints
from llm2vec_core.ui.components import code_view, notice_panel, panel, pooling_field
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.form import Form, Results
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.export import code, copy
from llm2vec_core.ui.tabs.export.endpoints import described
from llm2vec_core.ui.tabs.export.model import Made, Order, can_export, embed, export, file_size
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import chosen_texts, text_picker
from llm2vec_core.ui.turns import LEFT, WAITS, Turns, ask_to_stop, heeding

# Fills in this page's address; and again whenever the panel changes.
FILL_ORIGIN = """
const here = location.origin + location.pathname.replace(/\\/$/, '');
const fill = () => element.querySelectorAll('.l2v-origin').forEach(e => { e.textContent = here; });
watch('value', () => setTimeout(fill)); fill();
"""


STOP, FOLDER = "away: stop", "away: folder"


def make_file(queue: Turns, context: AppContext, session: Session, source: str, **order: Any) -> Iterator[Results]:
    """Embed the chosen texts; yields the status and the download button.

    Args:
        queue: of files.
        context: of the model.
        session: of the visitor.
        source: of the texts.
        order: the fields of :class:`llm2vec_core.ui.tabs.export.model.Order`.
    """
    wanted, texts = Order(**order), chosen_texts(session, source)
    try:
        with queue.job(session, STOP) as job:
            for told in queue.until(job):
                yield {"status": render("status.html", message=told)} if told else {}
            if not queue.take(job):
                yield {"status": render("status.html", message=LEFT)}
                return
            start = monotonic()
            yield {"status": render("export/progress.html", done=0, total=len(texts), seconds=0.0)}
            for step in heeding(job, embed(context, session, texts, wanted)):
                if step is None:
                    yield {"status": render("status.html", message=copy.STOPPING)}
                    continue
                if job.stopped:
                    yield {"status": render("status.html", message=copy.STOPPED)}
                    return
                seconds = monotonic() - start
                if isinstance(step, Made):
                    name, size = Path(step.path).name, file_size(step.bytes)
                    status = render("export/made.html", made=step, name=name, size=size, seconds=seconds)
                    yield {"status": status, "download": _download(step.path)}
                else:
                    queue.tell(job, seconds / step * (len(texts) - step) if step else None)
                    status = render("export/progress.html", done=step, total=len(texts), seconds=seconds)
                    # A file that was made before can be fetched until the order has been accepted.
                    yield {"status": status, "download": gr.update(interactive=False)}
    except Exception:
        # The notice says what was wrong; nothing is under way any more.
        yield {"status": ""}
        raise


def stop_making(session: Session) -> Any:
    """Ask the visitor's job to end after the piece that it is at; it says so itself, and this only if there is none."""
    return gr.skip() if ask_to_stop(session, STOP) else render("status.html", message=copy.NOTHING_TO_STOP)


def code_of(context: AppContext, session: Session, source: str, **order: Any) -> Results:
    """The same as Python and as a command; arguments as of :func:`make_file`."""
    wanted, preset = Order(**order), context.preset
    session.choice(wanted.encoder, context)
    texts = chosen_texts(session, source)
    shell = code_block(code.command(preset, wanted) or copy.NO_COMMAND, "On the command line", "away-command")
    return {"code": code.python(preset, wanted, texts.texts, texts.name), "shell": shell}


def make_folder(queue: Turns, context: AppContext, session: Session, stage: str) -> Iterator[Results]:
    """A stage as a folder for sentence-transformers, to download; arguments as of :func:`make_file`."""
    try:
        with queue.job(session, FOLDER) as job:
            for told in queue.until(job):
                yield {"folder_status": render("status.html", message=told)} if told else {}
            queue.take(job)
            yield {"folder_status": render("status.html", message=copy.MAKING_FOLDER)}
            yield {"zipped": _download(export(context, session, stage)), "folder_status": ""}
    except Exception:
        yield {"folder_status": ""}
        raise


def _download(path: str) -> Any:
    """The button that fetches a file, with its name and size."""
    file = Path(path)
    return gr.update(value=path, label=f"Download {file.name} ({file_size(file.stat().st_size)})", interactive=True)


def code_block(source: str, label: str, elem_id: str = "") -> str:
    """Source text with a button that copies it."""
    return render("export/code_block.html", source=source, label=label, elem_id=elem_id)


def _build(page: Page, tab: gr.Tab) -> None:
    panel(render("export/intro.html"))
    texts = text_picker(page, "away")
    with gr.Row():
        encoder = page.picker("Encoder", baselines=True, follows=True, elem_id="away-encoder", min_width=240)
        pooling = pooling_field("Pooling", elem_id="away-pooling", min_width=240)
    instruction = gr.Textbox(
        label="Instruction",
        info=copy.INSTRUCTION_INFO,
        placeholder=copy.INSTRUCTION_HINT,
        elem_id="away-instruction",
    )
    with gr.Row():
        kind = gr.Dropdown(copy.FORMATS, value="parquet", label="File", elem_id="away-kind", min_width=240)
        precision = gr.Dropdown(
            copy.precisions(faster_precisions()),
            value="full",
            label="Precision",
            elem_id="away-precision",
            min_width=240,
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
        folder_status = panel(elem_id="away-export-status")
        preset = page.context.preset
        folder = f"llm2vec-mini-{preset.default.key}" if preset.bundled else "my-encoder"
        panel(code_block(copy.EXPORT_PYTHON.format(folder=folder), "Load it"))
        folders = Form(page, "away", export_notice)
        folders.fields(stage=stage, linked=False)
        folders.results(zipped=zipped, folder_status=folder_status)
        zip_it.click(**folders.io(partial(make_folder, Turns(*copy.FOLDER_QUEUE)), concurrency_id="folders", **WAITS))
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

    form = Form(page, "away", notice)
    form.fields(encoder=encoder, pooling=pooling, instruction=instruction)
    form.fields(normalize=normalize, precision=precision, kind=kind)
    form.fields(source=texts.source, linked=False)
    form.results(status=status, download=download, code=code, shell=shell)
    making = form.io(
        partial(make_file, Turns(*copy.QUEUE)), results=("status", "download"), concurrency_id="files", **WAITS
    )
    run.click(**making)
    stop.click(stop_making, page.session, status, api_name=False, show_progress="hidden")
    show = form.io(code_of, results=("code", "shell"), notice=code_notice, show_progress="hidden", queue=False)
    gr.on([field.input for field in (encoder, pooling, instruction, normalize, precision, kind)], **show)
    texts.then(**show)
    tab.select(**show)
    page.refreshers["away"] = show


TAB = Tab("away", "Export", _build)
