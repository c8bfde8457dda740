"""Links to a view: the address carries the tab and its fields; whatever comes back is checked field by field.

The address is made in the browser (``page.js``) from the fields as they are; nothing is stored anywhere.
A field's name begins with its tab's id, and a link carries the fields of the open tab alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from llm2vec_core.batching import clean_text
from llm2vec_core.errors import InputError
from llm2vec_core.ui.encoders import USER_ADAPTER

# Longer addresses are cut or refused by some servers and mail programs. page.js keeps to the same number.
LONGEST_LINK = 6_000
MOST_VALUES = 60


def restored(value: str, component: gr.components.Component) -> Any:
    """A field's value from an address, if it could have been chosen on the page.

    Args:
        value: as it stands in the address.
        component: the field.

    Returns:
        A value that the field may have. Numbers are clamped to the field's bounds.

    Raises:
        InputError: if it could not.

    Example:
        >>> restored("99", gr.Slider(1, 10)), restored("b", gr.Radio(["a", "b"]))
        (10, 'b')
    """
    if len(value) > LONGEST_LINK:
        raise InputError("too long")
    if isinstance(component, gr.Dropdown | gr.Radio | gr.CheckboxGroup):
        return _chosen(value, component)
    if isinstance(component, gr.Slider | gr.Number):
        return _number(value, component)
    if isinstance(component, gr.Checkbox):
        if value not in ("true", "false"):
            raise InputError("neither true nor false")
        return value == "true"
    if isinstance(component, gr.Textbox):
        if component.max_length is not None and len(value) > component.max_length:
            raise InputError("too long")
        return clean_text(value)
    raise InputError("no field that a link can carry")


def view_of(
    query: Mapping[str, str], fields: Mapping[str, gr.components.Component], tabs: Sequence[str]
) -> tuple[str | None, dict[str, Any], list[str]]:
    """What an address asks for.

    Args:
        query: its parameters.
        fields: those that a link may carry, by name.
        tabs: ids of the tabs.

    Returns:
        The tab (None if the address names none that exists), values by field, and the names of the parameters
        that could not be used. Parameters that are none of ours are passed over.
    """
    wanted = query.get("tab")
    tab = wanted if wanted in tabs else None
    wrong = ["tab"] if wanted is not None and tab is None else []
    values: dict[str, Any] = {}
    for name, component in fields.items():
        if name not in query or names_own_adapter(query[name], component):
            continue
        try:
            values[name] = restored(query[name], component)
        except InputError:
            wrong.append(name)
    return tab, values, wrong


def names_own_adapter(value: str, component: gr.components.Component) -> bool:
    """Whether a list of encoders was at the adapter of whoever made the link."""
    return value == USER_ADAPTER and isinstance(component, gr.Dropdown | gr.Radio)


def complaint(wrong: Sequence[str], model: str | None, *, own: bool = False, adapter: bool = False) -> str:
    """One notice about a link, or nothing. The names are ours, the model's is cut to be short.

    Args:
        wrong: parameters that could not be used.
        model: another model that the link was made with.
        own: whether it was made with texts of its maker's own.
        adapter: whether it was made with an adapter of its maker's own.
    """
    parts = []
    if own:
        parts.append(
            "Whoever made this link was looking at texts of their own. A link carries no texts: what you see is our "
            "collection."
        )
    if adapter:
        parts.append(
            "This link was made with an adapter that its maker trained or loaded. A link carries none: the encoder in "
            "its place is the one chosen here."
        )
    if wrong:
        parts.append(
            f"Part of this link could not be used and was left out ({', '.join(wrong)}): "
            "it may be damaged, or made with another version of this page."
        )
    if model:
        parts.append(
            f"This link was made with the model {model[:100]!r}; load it to see the same numbers (the button with the "
            "model’s name, above, opens the list)."
        )
    return " ".join(parts)


def _chosen(value: str, component: Any) -> Any:
    by_text = {_as_text(choice): choice for _, choice in component.choices}
    several = isinstance(component, gr.CheckboxGroup) or getattr(component, "multiselect", False)
    if not several:
        if value not in by_text:
            raise InputError("no such choice")
        return by_text[value]
    try:
        wanted = json.loads(value)
        found = [by_text.get(_as_text(item)) for item in wanted] if isinstance(wanted, list) else None
    except (ValueError, RecursionError) as error:
        raise InputError("no list") from error
    if found is None or len(found) > MOST_VALUES:
        raise InputError("no list")
    most = getattr(component, "max_choices", None)
    if None in found or (most and len(found) > most):
        raise InputError("no such choices")
    return found


def _as_text(value: Any) -> str:
    """As the browser writes it: 1.0 is "1" there."""
    if isinstance(value, str):
        return value
    return f"{value:.15g}" if isinstance(value, float) else json.dumps(value)


def _number(value: str, component: Any) -> float:
    try:
        number = float(value)
    except ValueError as error:
        raise InputError("no number") from error
    if not math.isfinite(number):
        raise InputError("no number")
    if component.minimum is not None:
        number = max(number, component.minimum)
    if component.maximum is not None:
        number = min(number, component.maximum)
    return number
