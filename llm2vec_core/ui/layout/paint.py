"""The sidebar's facts as HTML."""

from __future__ import annotations

from html import escape

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.models import Fit


def size(parameters: int) -> str:
    """A number of weights, as people say it.

    Example:
        >>> size(5_310_720), size(1_235_814_400)
        ('5.31 million', '1.24 billion')
    """
    if not parameters:
        return "unknown"
    return f"{parameters / 1e9:.3g} billion" if parameters >= 1e9 else f"{parameters / 1e6:.3g} million"


def model_details(preset: ModelPreset, fit: Fit, loaded: bool) -> str:
    """Licence, size, needs, and whether it can be loaded here."""
    copies = len({stage.adapters for stage in preset.stages})
    needs = preset.needs
    if copies > 1 and not preset.bundled:
        needs += f"; each of its {copies - 1} trained stages takes the same again when you use it"
    rows = [
        ("Weights", size(preset.parameters)),
        ("Licence", preset.license),
        ("Needs", needs),
        ("Stages", ", ".join(stage.label for stage in preset.stages)),
    ]
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    if loaded:
        verdict, css = "In memory: it can be used at once.", "ok"
    elif not fit.fits:
        verdict = f"Does not fit: it needs about {fit.needed / 1e9:.1f} GB and {fit.free / 1e9:.1f} GB are free here."
        css = "no"
    else:
        verdict = f"Fits: it needs about {fit.needed / 1e9:.1f} GB and {fit.free / 1e9:.1f} GB are free here."
        css = "ok"
        if preset.gated:
            verdict += " It is gated: it loads only if this server's account has accepted its licence."
    return f'<div class="l2v l2v-side"><dl class="l2v-facts">{facts}</dl><p class="l2v-verdict {css}">{escape(verdict)}</p></div>'


def stage_meanings(label: str, choices: list[EncoderOption]) -> str:
    """What the steps of the ladder mean, for the model in use."""
    items = "".join(
        f'<dt class="{choice.css}"><i style="background:{choice.color}"></i>{escape(choice.label)}</dt><dd>{escape(choice.meaning)}</dd>'
        for choice in choices
    )
    return (
        f'<div class="l2v l2v-side"><h3>The encoders of {escape(label)}</h3><dl class="l2v-stages">{items}</dl></div>'
    )


def machine(used: int, free: int, running: int, waiting: int, room: int) -> str:
    """Memory and queue, in figures."""
    return (
        '<div class="l2v l2v-side"><dl class="l2v-facts">'
        f"<dt>Memory of this app</dt><dd>{used / 1e9:.2f} GB; {free / 1e9:.1f} GB are free</dd>"
        f"<dt>Requests running</dt><dd>{running}</dd><dt>Waiting</dt><dd>{waiting} (at most {room})</dd></dl></div>"
    )


def in_use(key: str, label: str, loading: str = "") -> str:
    """The model in use, in one line of the header; a link to the view reads its key from here."""
    told = (
        f"<em>{escape(loading)}</em>"
        if loading
        else f'<button type="button" data-l2v="sidebar" aria-label="Model in use: {escape(label)}. Open the sidebar">{escape(label)}</button>'
    )
    return (
        f'<div class="l2v l2v-inuse" data-model="{escape(key)}"><span class="muted l2v-wide">Model</span> {told}</div>'
    )
