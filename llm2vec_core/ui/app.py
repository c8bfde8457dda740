"""The page: frame, tabs, launch settings."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import threading
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import gradio as gr
from fastapi import Depends
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from llm2vec_core.ui import copy, zero_gpu
from llm2vec_core.ui.answers import LastingStream
from llm2vec_core.ui.api import add_endpoints, checked_call, known_event
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.embeddings_api import embedding_routes
from llm2vec_core.ui.layout.header import Header
from llm2vec_core.ui.layout.sidebar import QUEUE_ROOM, Sidebar
from llm2vec_core.ui.layout.views import Views
from llm2vec_core.ui.memory import few_arenas, keep_startup_out_of_collections
from llm2vec_core.ui.models import Models, opening_model
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.served import ICON, OwnHead, routes
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs import TABS
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import bind_status
from llm2vec_core.ui.theme import CSS_FILES, SCRIPT_FILES, page_theme
from llm2vec_core.ui.visits import SESSION, Visits

# More visitors than this at once push out the one who was idle longest.
SESSION_CAPACITY = 200
# A thread that computes in torch gives the interpreter away at every operation, and waits this long to get it back from
# one that runs Python: beside it an answer took 5.5 times as long with the default of 0.005, with 0.0005 2.7 times.
SWITCH_SECONDS = 0.0005
# What tabs want made beforehand waits until no visitor has asked for so long, looks this often, and waits no longer: a
# moment without a question is common among many visitors, and compiling UMAP in it takes two seconds.
CALM, LOOK_SECONDS, PATIENCE_SECONDS = timedelta(seconds=2), 0.5, 30.0
# How often the queue looks for a question: an idle server takes 2.0% of a core, with gradio's 0.001 it took 3.6%.
QUEUE_SECONDS = 0.005
# For so long the badge's "just now" is true.
SECONDS_OF_PROOF = 10.0
# Gradio puts its own container in front of every selector of the style sheets; what lies outside is reached from here.
OUTSIDE = (
    "@media (prefers-reduced-motion: reduce) { .wrap.sidebar-parent { transition: none !important } }"
    "html:has(body.dark) { color-scheme: dark; background: #14161b } body.dark { background: #14161b !important }"
)


def build_app(models: Models) -> gr.Blocks:
    """Draw the page.

    Args:
        models: what the handlers share.

    Returns:
        The Blocks, ready for ``launch(**launch_settings(models))``.
    """
    with gr.Blocks(title=copy.TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
        session = gr.State(Session(models.default.preset.key), time_to_live=SESSION.total_seconds())
        page = Page(models, session, demo)
        # The headline first: it is the page's first heading.
        header = Header(page)
        sidebar = Sidebar(page)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            for tab in TABS:
                with gr.Tab(tab.label, id=tab.id, elem_id=f"tab-{tab.id}") as container:
                    tab.build(page, container)
        for bind in page.on_built:
            bind()
        bind_status(page)
        views = Views(page, tabs, [tab.id for tab in TABS])
        *changed, followed = sidebar.bind(header, views.asked)
        views.bind_link(header, followed)
        views.after(tuple(changed))
        quiet = {"api_name": False, "show_progress": "hidden"}

        def proof(session: Session) -> str:
            return prove(page.context_of(session))

        def arrive(session: Session, request: gr.Request) -> tuple[Any, Any]:
            return (time.time_ns(), gr.skip()) if views.asks(request) else (gr.skip(), proof(session))

        demo.load(arrive, session, [views.asked, header.badge], **quiet)
        for event in (*changed, followed):
            # The proof is of the model in use.
            event.then(proof, session, header.badge, **quiet)
        demo.visits = Visits(demo, models.limits)
        demo.visits.bind(session)
        models.in_use = demo.visits.models_in_use
        add_endpoints(models)
    # Closed: otherwise a direct call of an event passes the queue by, and with it every bound.
    demo.queue(max_size=QUEUE_ROOM, default_concurrency_limit=4, api_open=False)
    demo._queue.sleep_when_free = QUEUE_SECONDS
    return demo


def prove(context: AppContext) -> str:
    """Run the prefix test now, on the causal model and on the finished encoder; who comes within seconds shares it."""
    first, last = context.preset.stages[0], context.preset.default
    causal, bidirectional = context.cache.get(
        ("prefix test", time.monotonic() // SECONDS_OF_PROOF),
        lambda: [context.encoder(stage.key).prefix_test() for stage in (first, last)],
    )
    return render("badge.html", model=context.preset.label, causal=causal, bidirectional=bidirectional)


def remember_blocks(demo: gr.Blocks) -> None:
    """What gradio works out anew for each visitor and answer, though it never changes: half the work of a visit.

    Args:
        demo: the page, built; a visitor's changes go into blocks of their own.
    """
    for block in demo.blocks.values():
        constructor = type(block).__init__
        for function in (constructor, inspect.unwrap(constructor)):
            # Where inspect looks first.
            function.__signature__ = inspect.signature(constructor)  # type: ignore[attr-defined]
        config = block.get_config()
        block.__dict__["get_config"] = partial(dict, config)  # a copy, which gradio changes


def sum_up_no_answers() -> None:
    """Gradio sums up its last 10,000 answers after each one (6 to 10 ms), for monitoring that is switched off here."""
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(sys.maxsize))  # read when a page is built


def launch_settings(models: Models) -> dict[str, Any]:
    """Arguments of ``launch()`` that belong to the page, whoever starts it.

    Args:
        models: as of :func:`build_app`.
    """
    scripts = "".join(f"<script>{file.read_text(encoding='utf-8')}</script>" for file in SCRIPT_FILES)
    return {
        # Otherwise gradio asks its own address first and gives up after three seconds: a busy machine needs longer.
        "_frontend": False,
        "theme": page_theme(),
        "css_paths": list(CSS_FILES),
        "head": f"<style>{OUTSIDE}</style>{scripts}",
        "ssr_mode": False,
        "run_history": False,
        "max_file_size": "10mb",
        "state_session_capacity": SESSION_CAPACITY,
        "footer_links": [],
        "show_error": False,
        # Otherwise /monitoring, which anybody may ask for, prints an address with a secret into the server's log.
        "enable_monitoring": False,
        # The page itself is 320 kB of JSON and plotly 4.5 MB; gradio sends both uncompressed. Streams are left alone.
        "app_kwargs": {
            "middleware": [
                Middleware(GZipMiddleware, minimum_size=1000, compresslevel=4),
                Middleware(OwnHead),
                Middleware(LastingStream),
            ],
            "routes": [*routes(), *embedding_routes(models.default)],
            "dependencies": [Depends(checked_call), Depends(known_event)],
        },
        "favicon_path": str(ICON),
        # Without the extra gradio would warn and go on without it.
        "mcp_server": importlib.util.find_spec("mcp") is not None,
    }


def warm_up_in_background(models: Models, demo: gr.Blocks) -> threading.Thread:
    """Prepare what visitors will ask for, while the page is already served; those who have come go first."""
    used = demo.state_holder.time_last_used

    def visitors_first() -> None:
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            last = max(list(used.values()), default=datetime.min)
            if not demo._queue.get_active_worker_count() and datetime.now() - last > CALM:
                return
            time.sleep(LOOK_SECONDS)

    models.default.until_calm = visitors_first
    thread = threading.Thread(target=models.default.warm_up, name="warm-up", daemon=True)
    thread.start()
    return thread


def serve(host: str, port: int, model: str | None = None) -> None:
    """Build the page and serve it until the process is stopped.

    Args:
        host: address that is listened on.
        port: of the page.
        model: key of the preset that it opens with; None for the larger one that is on this machine.

    Raises:
        InputError: if the page cannot open with that model.
    """
    zero_gpu.prepare()
    few_arenas()
    sum_up_no_answers()
    key, why = (model, "") if model else opening_model()
    if why:
        print(f"The page opens with the bundled model. {why}", file=sys.stderr)
    models = Models(default=key)
    demo = build_app(models)
    remember_blocks(demo)
    sys.setswitchinterval(SWITCH_SECONDS)
    demo.launch(server_name=host, server_port=port, prevent_thread_lock=True, **launch_settings(models))
    keep_startup_out_of_collections()
    warm_up_in_background(models, demo)
    demo.visits.sweep_in_background()
    demo.block_thread()
