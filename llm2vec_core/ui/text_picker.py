"""Where texts come from: our collection, or the visitor's own. Every tab that takes texts uses this picker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from llm2vec_core.corpus.encodings import COMMON_ENCODINGS
from llm2vec_core.corpus.sources import KINDS
from llm2vec_core.errors import InputError
from llm2vec_core.ui.components import notice_panel, panel
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.file_preview import file_preview
from llm2vec_core.ui.form import NOTICE, SESSION, Form, Results
from llm2vec_core.ui.handlers import notice_for
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.user_texts import (
    BUNDLED_TEXTS,
    NO_TEXTS_YET,
    USER_TEXTS,
    Texts,
    our_collection,
    pasted_texts,
    upload_reading,
    uploaded_texts,
)

NO_COLUMN = "(none)"
FOUND_OUT = ""
ENCODINGS = [
    ("found out from the file", FOUND_OUT),
    *((f"{name} ({meaning})", name) for name, meaning in COMMON_ENCODINGS.items()),
]
SOURCES = [("Our collection", BUNDLED_TEXTS), ("Your texts", USER_TEXTS)]


@dataclass(frozen=True)
class TextPicker:
    """The components of the picker.

    Attributes:
        source: a radio; its value ("ours" or "own") is what :func:`chosen_texts` takes. Use it as an input.
        loads: events after which the visitor's texts may be others.
    """

    source: gr.Radio
    loads: tuple[Any, ...]

    def then(self, **io: Any) -> None:
        """Run a handler whenever the source or the visitor's texts change; arguments as of ``gr.on``."""
        self.source.input(**io)
        for load in self.loads:
            load.then(**io)


def chosen_texts(session: Session, source: str) -> Texts:
    """The texts that a handler should work on.

    Args:
        session: of the visitor.
        source: the radio's value.

    Raises:
        InputError: if the visitor's own are asked for and there are none yet.
    """
    if source == BUNDLED_TEXTS:
        return our_collection()
    if session.texts is None:
        raise InputError(NO_TEXTS_YET)
    return session.texts


def described(texts: Texts | None) -> str:
    """One line about what is loaded."""
    if texts is None:
        return "No texts of yours are loaded yet."
    labels = f", {len(set(texts.labels)):,} labels" if texts.labels else ", no labels"
    blank = f", {texts.left_out:,} blank rows skipped" if texts.left_out else ""
    notes = "".join(f" {note}." for note in texts.notes)
    whose = "Only you can see them, and they are deleted when your visit ends."
    return f"{len(texts):,} {'text' if len(texts) == 1 else 'texts'} from {texts.name}{labels}{blank}.{notes} {whose}"


def encoding_field(elem_id: str) -> gr.Dropdown:
    """A choice of encodings for an uploaded file, hidden until there is one."""
    return gr.Dropdown(
        ENCODINGS,
        value=FOUND_OUT,
        label="Encoding of the file",
        info="If letters look wrong in the rows below, choose another.",
        elem_id=elem_id,
        visible=False,
    )


def _upload_of(session: Session, file: str) -> Path:
    """The path of an upload, to be deleted when the visit ends.

    Raises:
        InputError: if it has been deleted: the connection was lost, which looks like the end of a visit.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError("Your file was deleted when the connection was lost. Upload it again.")
    session.hold_uploads(path)
    return path


def _offer_to_keep(page: Page, tab_id: str, pasted: gr.Textbox, use: gr.Button) -> None:
    """Draw and bind the choice to keep pasted lines in the browser, and bring back what was kept.

    In the browser alone: no line is sent before it is to be used.
    """
    remember = gr.Checkbox(
        False, label="Keep these lines in this browser for my next visit", elem_id=f"{tab_id}-remember"
    )
    quiet = {"api_name": False, "queue": False}
    page.demo.load(None, None, [pasted, remember], js="() => window.__l2vLines()", **quiet)
    keep = "(lines, wanted) => window.__l2vKeepLines(lines, wanted)"
    gr.on([use.click, remember.input], None, [pasted, remember], None, js=keep, **quiet)


def bind_status(page: Page) -> None:
    """Show what is loaded in every tab, whichever tab it was loaded in; call after all tabs are built."""
    places = page.texts_status
    for load in page.texts_loads:
        load.then(
            lambda session: [described(session.texts)] * len(places) if len(places) > 1 else described(session.texts),
            page.session,
            places,
            queue=False,
            api_name=False,
            show_progress="hidden",
        )


def source_radio(tab_id: str, *, ours: bool = True, **options: Any) -> gr.Radio:
    """Draw the choice between our collection and the visitor's own texts.

    Args:
        tab_id: of the tab; makes the names of the fields unique.
        ours: whether our collection can be chosen (otherwise the visitor's own are the only source).
        options: further arguments of ``gr.Radio``.
    """
    return gr.Radio(
        SOURCES if ours else SOURCES[1:],
        value=BUNDLED_TEXTS if ours else USER_TEXTS,
        label="Texts",
        elem_id=f"{tab_id}-source",
        visible=ours,
        **options,
    )


def text_picker(page: Page, tab_id: str, *, ours: bool = True, source: gr.Radio | None = None) -> TextPicker:
    """Draw the picker.

    Args:
        page: the page that is being built.
        tab_id: of the tab; makes the names of the fields unique.
        ours: as of :func:`source_radio`.
        source: what that drew, if it stands elsewhere on the page.
    """
    limits = page.models.limits
    source = source or source_radio(tab_id, ours=ours)
    if ours:
        page.sources[tab_id] = source
    with gr.Column(visible=not ours, elem_id=f"{tab_id}-own") as box:
        with gr.Row():
            with gr.Column(min_width=280):
                upload = gr.File(
                    label=f"Upload a file, up to {limits.user_texts:,} rows ({', '.join(KINDS)})",
                    file_types=[f".{kind}" for kind in KINDS],
                    height=180,
                    elem_id=f"{tab_id}-upload",
                )
            with gr.Column(min_width=280):
                pasted = gr.Textbox(
                    label="Or paste texts, one per line",
                    lines=4,
                    max_lines=4,
                    max_length=limits.user_characters,
                    elem_id=f"{tab_id}-pasted",
                )
                use = gr.Button("Use these lines", elem_id=f"{tab_id}-use", size="sm")
                _offer_to_keep(page, tab_id, pasted, use)
        with gr.Row(visible=False) as columns_row:
            text_column = gr.Dropdown([], label="Text column", elem_id=f"{tab_id}-text-column", min_width=200)
            label_column = gr.Dropdown([], label="Label column", elem_id=f"{tab_id}-label-column", min_width=200)
            header = gr.Checkbox(
                True,
                label="The first row contains column names",
                elem_id=f"{tab_id}-header",
                visible=False,
                min_width=200,
            )
        encoding = encoding_field(f"{tab_id}-encoding")
        preview = panel(elem_id=f"{tab_id}-preview")
        notice = notice_panel(f"{tab_id}-own-notice")
        status = panel(described(None), html_template=render("texts_status.html", none=described(None)))

    def load(session: Session, read: Callable[[], Texts]) -> Results:
        session.texts = read()
        return {"status": described(session.texts), SESSION: session}

    def read_file(
        context: AppContext, session: Session, upload: str | None, header: bool | None = None, encoding: str = FOUND_OUT
    ) -> Results:
        if upload is None:
            hidden = gr.update(visible=False)
            return {"columns": hidden, "header": hidden, "encoding": hidden, "preview": ""}
        # Of a parquet file there is nothing to choose; a file that cannot be read may be one of another encoding.
        results: Results = {"encoding": gr.update(visible=not upload.lower().endswith(".parquet"), value=encoding)}
        try:
            reading = upload_reading(_upload_of(session, upload), limits, header, encoding)
            text, label = reading.guessed_columns()
        except Exception as error:
            return results | {NOTICE: notice_for(error), "preview": ""}
        usable = [column.name for column in reading.columns if column.usable]
        # A text file has one column, the line, and it has no name.
        table = reading.header is not None
        results |= {
            "columns": gr.update(visible=table or len(usable) > 1),
            "text": gr.update(choices=usable, value=text),
            "label": gr.update(choices=[NO_COLUMN, *usable], value=label or NO_COLUMN),
            "header": gr.update(visible=table, value=reading.header is not False),
            "preview": file_preview(reading, text, label),
        }
        how: dict[str, Any] = {"header": reading.header is not False, "encoding": encoding}
        try:
            return results | load(session, lambda: uploaded_texts(Path(upload), text, label, limits, **how))
        except Exception as error:
            return results | {NOTICE: notice_for(error)}

    def on_columns(
        context: AppContext, session: Session, upload: str | None, text: str | None, label: str | None, **how: Any
    ) -> Results:
        if upload is None or text is None:
            return {}
        wanted = None if label in (None, NO_COLUMN, text) else label
        loaded = load(session, lambda: uploaded_texts(_upload_of(session, upload), text, wanted, limits, **how))
        return loaded | {"preview": file_preview(upload_reading(Path(upload), limits, **how), text, wanted)}

    def on_lines(context: AppContext, session: Session, pasted: str | None) -> Results:
        return load(session, lambda: pasted_texts(pasted, limits))

    form = Form(page, tab_id, notice)
    form.fields(upload=upload, pasted=pasted, text=text_column, label=label_column, linked=False)
    form.fields(header=header, encoding=encoding, linked=False)
    form.results(status=status, columns=columns_row, text=text_column, label=label_column)
    form.results(header=header, encoding=encoding, preview=preview)
    loaded = ("status", SESSION)
    read = (*loaded, "columns", "text", "label", "header", "encoding", "preview")
    columns_io = form.io(
        on_columns, ("upload", "text", "label", "header", "encoding"), (*loaded, "preview"), latest=False
    )
    source.input(lambda chosen: gr.update(visible=chosen == USER_TEXTS), source, box, queue=False, api_name=False)
    loads = (
        upload.change(**form.io(read_file, ("upload",), read, latest=False)),
        header.input(**form.io(read_file, ("upload", "header", "encoding"), read, latest=False)),
        # Whether there is a header is to be seen in the right letters alone.
        encoding.input(**form.io(read_file, ("upload", "encoding"), read, latest=False)),
        gr.on([text_column.input, label_column.input], **columns_io),
        use.click(**form.io(on_lines, ("pasted",), loaded, latest=False)),
    )
    # What was loaded in one tab is there in the others, and each says so.
    page.texts_status.append(status)
    page.texts_loads.extend(loads)
    return TextPicker(source, loads)
