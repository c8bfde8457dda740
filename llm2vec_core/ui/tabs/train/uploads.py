"""An adapter that a visitor brings: read, put on a stage, measured, handed over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import Stage
from llm2vec_core.separation import labelled_pairs, measure_pairs
from llm2vec_core.training.bundled import measured_pairs
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.train import charts, copy
from llm2vec_core.ui.tabs.train.code import loading_snippet
from llm2vec_core.ui.tabs.train.files import CONFIG_FILE, REPORT_FILE, WEIGHTS_FILE, uploaded_parts
from llm2vec_core.ui.tabs.train.measured import MeasuredPairs
from llm2vec_core.ui.tabs.train.model import TAB_ID, Shown, about, hand_over, own_adapter, run_status
from llm2vec_core.ui.tabs.train.run import QueuedJob
from llm2vec_core.ui.tabs.train.settings import checked_start
from llm2vec_core.ui.templates import render

MAX_REPORT_BYTES = 64 * 1024


def load(context: AppContext, session: Session, files: Sequence[str] | None, start: str) -> Shown:
    """Put a visitor's uploaded adapter on a stage.

    Args:
        context: of the visitor's model.
        session: gets the adapter.
        files: uploaded; told apart by their names.
        start: key of the stage that it stands on, where the files do not say.

    Raises:
        InputError: if a file is missing or too many.
        AdapterError: if the adapter cannot be used.
    """
    session.hold_uploads(*map(Path, files or ()))
    with uploaded_parts(files or (), context.limits.adapter_bytes) as parts:
        encoder, stage = _adapted(context, parts, start)
    description = f"loaded from your files, on {stage.label}"
    hand_over(session, context, encoder, description)
    job = session.by_tab.setdefault(TAB_ID, QueuedJob(stopped=True))
    told = "Loaded from your files; no training run."
    job.standing, job.drawn = about(context, told), context.preset.key
    pairs = measured_pairs()
    before, after = (measure_pairs(found, labelled_pairs(pairs)) for found in (context.encoder(stage.key), encoder))
    return Shown(
        run_status(context, session, told, busy=False),
        own=own_adapter(context, description),
        result=render("train/pairs.html", measured=MeasuredPairs(pairs, before, after), charts=charts, copy=copy),
        download="",
        code=loading_snippet(context.preset, stage.key, "my-adapter", encoder.pooling_mode),
        changed=True,
    )


def _adapted(context: AppContext, parts: Mapping[str, Path], start: str) -> tuple[LLM2Vec, Stage]:
    # PEFT takes seconds to import; a visitor who loads nothing should not wait for it.
    from llm2vec_core.training.foreign import load_foreign_adapter

    known = [stage.key for stage in context.preset.stages if stage.bidirectional]
    told = _report(parts.get(REPORT_FILE)).get("start")
    stage = checked_start(told if told in known else start, context.preset)
    base = cast(LLM2Vec, context.encoder(stage.key))
    encoder = load_foreign_adapter(base, parts[CONFIG_FILE], parts[WEIGHTS_FILE], context.limits.adapter_bytes)
    return encoder, stage


def _report(file: Path | None) -> dict[str, Any]:
    if file is None or file.stat().st_size > MAX_REPORT_BYTES:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
