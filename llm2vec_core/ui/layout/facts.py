"""Facts about models and this machine, as the header and the sidebar show them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.models import Fit
from llm2vec_core.ui.templates import render


def size(parameters: int) -> str:
    """A number of weights, as people say it.

    Example:
        >>> size(5_310_720), size(1_235_814_400)
        ('5.31 million', '1.24 billion')
    """
    if not parameters:
        return "unknown"
    return f"{parameters / 1e9:.3g} billion" if parameters >= 1e9 else f"{parameters / 1e6:.3g} million"


def model_details(preset: ModelPreset, fit: Fit, loaded: bool) -> Markup:
    """Licence, size, needs, and whether it can be loaded here."""
    copies = len({stage.adapters for stage in preset.stages})
    trained = copies - 1 if copies > 1 and not preset.bundled else 0
    return render(
        "layout/model_details.html",
        preset=preset,
        fit=fit,
        loaded=loaded,
        trained=trained,
        weights=size(preset.parameters),
    )


def stage_meanings(label: str, options: Sequence[EncoderOption]) -> Markup:
    """What the steps of the ladder mean, for the model in use."""
    return render("layout/stage_meanings.html", label=label, options=options)


def machine(used: int, free: int, running: int, waiting: int, room: int) -> Markup:
    """Memory and queue, in figures."""
    return render("layout/machine.html", used=used, free=free, running=running, waiting=waiting, room=room)


def in_use(key: str, label: str, loading: str = "") -> Markup:
    """The model in use, in one line of the header; a link to the view reads its key from here."""
    return render("layout/in_use.html", key=key, label=label, loading=loading)
