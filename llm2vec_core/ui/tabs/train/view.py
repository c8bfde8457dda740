"""Train an adapter in the page, watch its loss, use it in See it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from llm2vec_core.bundled_data import passages
from llm2vec_core.errors import InputError
from llm2vec_core.figures import loss_curve
from llm2vec_core.training.objectives import MNTP, Objective, SimCSE
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.handlers import guarded_stream
from llm2vec_core.ui.html import notice_panel, panel
from llm2vec_core.ui.plot import plot_value, plot_view
from llm2vec_core.ui.tabs.base import Page, Tab
from llm2vec_core.ui.tabs.train import paint, text
from llm2vec_core.ui.visitor import Visitor

REDRAW_SECONDS = 0.5
HELD_OUT_SHARE = 8  # every eighth text is kept back


@dataclass(frozen=True)
class Recipe:
    """How an objective is set up in the page, small enough for two cores.

    Attributes:
        make: the objective.
        batch_size: texts a step.
    """

    make: Callable[[], Objective]
    batch_size: int


# The dropouts are those that trained the bundled SimCSE adapter.
RECIPES = {
    "mntp": Recipe(MNTP, 16),
    "simcse": Recipe(lambda: SimCSE(hidden_dropout=0.1, token_dropout=0.3), 32),
}


def training_texts(context: AppContext, own_texts: str) -> list[str]:
    """The visitor's lines, or the bundled collection if there are none.

    Raises:
        InputError: if there are too few or too many, or if one is too long.
    """
    lines = [line.strip() for line in (own_texts or "").splitlines() if line.strip()]
    if not lines:
        return [p.text for p in passages()]
    limits = context.limits
    if len(lines) < 16:
        raise InputError(f"{len(lines)} texts are too few to learn from; give at least 16, one a line.")
    if len(lines) > limits.training_texts:
        raise InputError(f"{len(lines):,} texts are too many; at most {limits.training_texts:,} lines fit.")
    longest = max(map(len, lines))
    if longest > limits.text_characters:
        raise InputError(f"A line has {longest:,} characters; at most {limits.text_characters:,} fit.")
    return lines


def train(
    context: AppContext,
    visitor: Visitor,
    objective_key: str,
    start_key: str,
    steps: float,
    learning_rate: float,
    rank: float,
    own_texts: str,
) -> Iterator[tuple[Any, ...]]:
    """Train; yields (status, figure, visitor) while it goes on. Leaving early keeps the last step."""
    # PEFT takes seconds to import; a visitor who never trains should not wait for it.
    from llm2vec_core.training.config import TrainingConfig
    from llm2vec_core.training.loop import AdapterTraining

    limits = context.limits
    texts = training_texts(context, own_texts)
    if steps is None or not 1 <= steps <= limits.training_steps:
        raise InputError(f"{steps or 0:g} steps were asked for; choose from 1 to {limits.training_steps}.")
    if learning_rate is None or not 0 < learning_rate <= 0.1:
        raise InputError(
            f"The learning rate is {learning_rate}; choose a number above 0 and at most 0.1, such as 0.001."
        )
    held_out, kept = texts[::HELD_OUT_SHARE], [t for i, t in enumerate(texts) if i % HELD_OUT_SHARE]
    recipe = RECIPES[objective_key]
    config = TrainingConfig(
        steps=int(steps),
        batch_size=recipe.batch_size,
        max_length=64,
        learning_rate=float(learning_rate),
        lora_rank=int(rank),
        held_out_every=max(1, int(steps) // 8),
    )
    yield paint.training_status("Setting up the adapter …", busy=True), gr.skip(), gr.skip()
    training = AdapterTraining(context.encoder(start_key), recipe.make(), kept, config, held_out)
    encoder = training.encoder()
    losses: list[float] = []
    measured: list[tuple[int, float]] = []
    name = text.OBJECTIVE_LABELS[objective_key].split(":")[0]
    before = training.held_out_loss()
    if before is not None:
        measured.append((0, before))
    drawn = 0.0

    def figure() -> str:
        curve = loss_curve(range(1, len(losses) + 1), losses, measured, f"{name}: loss while training")
        return plot_value(curve, name="training-loss")

    status = "Stopped before the first step."
    for event in training.run():
        losses.append(event.loss)
        if event.held_out_loss is not None:
            measured.append((event.step, event.held_out_loss))
        # Not before the first step: a run that fails at once must not cost the visitor an earlier adapter.
        visitor.encoder = encoder
        visitor.description = f"{name}, {event.step} steps from {context.preset.stage(start_key).label}"
        visitor.forget_measurements()
        status = f"Step {event.step} of {event.steps}, loss {event.loss:.3f}, {event.seconds:.0f} s"
        if time.monotonic() - drawn > REDRAW_SECONDS:
            drawn = time.monotonic()
            yield paint.training_status(status, busy=True), figure(), visitor
        if event.seconds > limits.training_seconds:
            status += f"; ended at the limit of {limits.training_seconds:.0f} s"
            break
    ends = f" Held-out loss: {measured[0][1]:.3f} before, {measured[-1][1]:.3f} after." if len(measured) > 1 else ""
    done = f"Done. {status}.{ends} Choose “Your adapter” as the stage in See it."
    yield paint.training_status(done), figure(), visitor


def stopped(visitor: Visitor) -> str:
    """What to say after *Stop*."""
    if visitor.encoder is None or not visitor.description:
        return paint.training_status("Stopped before the first step.")
    return paint.training_status(
        f"Stopped. The adapter keeps its last step ({visitor.description}). Choose “Your adapter” in See it."
    )


def _build(page: Page, _tab: gr.Tab) -> None:
    context = page.context
    limits = context.limits
    panel(text.INTRO)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            objective = gr.Radio(
                [(label, key) for key, label in text.OBJECTIVE_LABELS.items()],
                value="mntp",
                label="Objective",
                elem_id="objective",
            )
            start = gr.Dropdown(
                [(s.label, s.key) for s in context.preset.stages if s.bidirectional],
                value=context.preset.stages[1].key,
                label="Start from",
                elem_id="start-stage",
            )
            steps = gr.Slider(10, limits.training_steps, value=60, step=10, label="Steps", elem_id="steps")
            with gr.Accordion("Expert settings", open=False):
                learning_rate = gr.Number(0.001, label="Learning rate", elem_id="learning-rate", minimum=None)
                rank = gr.Slider(1, 32, value=16, step=1, label="LoRA rank", elem_id="rank")
            own = gr.Textbox(
                label="Your own texts (optional)",
                info="One a line, at least 16. Empty: the bundled collection of 324 passages.",
                lines=4,
                max_lines=8,
                elem_id="own-texts",
            )
            with gr.Row():
                run = gr.Button("Train", variant="primary", elem_id="train-button", min_width=120)
                stop = gr.Button("Stop", elem_id="stop-button", min_width=120)
        with gr.Column(scale=3, min_width=320):
            notice = notice_panel("train-notice")
            status = panel(paint.training_status("Nothing trained yet."), elem_id="train-status")
            plot = plot_view(380, elem_id="loss-plot")

    def refreshed(visitor: Visitor) -> dict[Any, Any]:
        updates: dict[Any, Any] = {run: gr.update(interactive=True)}
        if visitor.encoder is not None:
            updates |= page.refreshed_pickers(visitor, new_own=True)
        return updates

    # A second click while a run is going on would be lost; the button says so by itself.
    started = run.click(lambda: gr.update(interactive=False), None, run, api_name=False, queue=False).then(
        fn=guarded_stream(3)(lambda visitor, *values: train(context, visitor, *values)),
        inputs=[page.visitor, objective, start, steps, learning_rate, rank, own],
        outputs=[notice, status, plot, page.visitor],
        concurrency_id="training",
        concurrency_limit=1,
        # A run that was just stopped counts as pending until its step is done; "once" would drop the next click.
        trigger_mode="multiple",
        show_progress="minimal",
        api_name=False,
    )
    afterwards = {
        "fn": refreshed,
        "inputs": page.visitor,
        "outputs": [run, *(picker.component for picker in page.pickers)],
        "api_name": False,
        "show_progress": "hidden",
    }
    started.success(**afterwards)  # not after a stop: a new run may be going on by then
    stop.click(stopped, page.visitor, status, cancels=[started], api_name=False, show_progress="hidden").then(
        **afterwards
    )


TAB = Tab("train", "Train", _build)
