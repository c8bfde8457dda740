"""SVG elements. The one place where texts become markup: whatever is no markup yet is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable

from markupsafe import Markup, escape

Value = str | int | float | None


def element(name: str, *children: str, **attributes: Value) -> Markup:
    """An element of SVG or HTML.

    Args:
        name: of the element.
        children: elements, or texts, which are escaped.
        attributes: ``stroke_width=2`` is written ``stroke-width="2"``; a trailing underscore is dropped (``class_``);
            None leaves an attribute out. Numbers are written with at most two decimals.

    Example:
        >>> print(element("text", "a < b", x=1.0, font_size=12.345, class_="q", id=None))
        <text x="1" font-size="12.35" class="q">a &lt; b</text>
        >>> print(element("path", d='"'))
        <path d="&#34;"/>
    """
    # Joined as plain strings, each escaped: Markup's own formatting took a third of the time of a picture.
    tag = escape(name)
    written = "".join(
        f' {escape(key.rstrip("_").replace("_", "-"))}="{_written(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup(f"<{tag}{written}/>")  # noqa: S704, escaped part by part
    return Markup(f"<{tag}{written}>{''.join(map(escape, children))}</{tag}>")  # noqa: S704, likewise


def svg(
    width: float,
    height: float,
    *children: str,
    label: str = "",
    role: str = "img",
    css: str = "l2v-svg",
    **attributes: Value,
) -> Markup:
    """A picture that takes the width it is given.

    Args:
        width: of its own coordinates.
        height: likewise.
        children: elements.
        label: what is read aloud; without one the picture is decoration.
        role: "group" for a picture with buttons inside: an image hides what it holds.
        css: its class.
        attributes: as of :func:`element`.
    """
    told = {"role": role, "aria_label": label} if label else {"aria_hidden": "true"}
    box = Markup(' viewBox="0 0 {} {}"').format(_written(width), _written(height))
    made = element("svg", *children, class_=css or None, **told, **attributes)
    # XML knows upper case, names of Python arguments do not.
    return Markup("<svg") + box + made[len("<svg") :]


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Value) -> Markup:
    """A line between two points; its colour is ``stroke``."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **({"stroke": "var(--line)"} | attributes))


def rect(x: float, y: float, width: float, height: float, *children: str, **attributes: Value) -> Markup:
    """A rectangle."""
    return element("rect", *children, x=x, y=y, width=width, height=height, **attributes)


def circle(x: float, y: float, radius: float, **attributes: Value) -> Markup:
    """A circle around a point."""
    return element("circle", cx=x, cy=y, r=radius, **attributes)


def path(d: str, **attributes: Value) -> Markup:
    """A path, in SVG's own language."""
    return element("path", d=d, **attributes)


def text(x: float, y: float, words: str, size: float = 12, **attributes: Value) -> Markup:
    """One line of text."""
    return element("text", words, x=x, y=y, font_size=size, **attributes)


def title(words: str) -> Markup:
    """What a pointer that rests on the element's parent is told."""
    return element("title", words)


def group(*children: str, x: float | None = None, y: float = 0, **attributes: Value) -> Markup:
    """Elements together; moved to (x, y) if that is given."""
    moved = None if x is None else f"translate({_written(x)} {_written(y)})"
    return element("g", *children, transform=moved, **attributes)


def scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """Where values stand on an axis that leads from one end to the other.

    Args:
        low: value at ``start``.
        high: value at ``stop``.
        start: a coordinate.
        stop: another one.

    Example:
        >>> x = scale(0.0, 2.0, 10, 110)
        >>> x(0.5), x(2.0)
        (35.0, 110.0)
    """
    return lambda value: start + (stop - start) * (float(value) - low) / (high - low)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends, at most so many.

    Example:
        >>> ticks(12.0, 61.0, 4), ticks(3.0, 3.0, 4)
        ([20.0, 40.0, 60.0], [3.0])
    """
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(
        s * power for s in (1, 2, 5, 10, 20) if math.floor(high / (s * power)) - math.ceil(low / (s * power)) < most
    )
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _written(value: Value) -> Markup:
    if isinstance(value, float) or (value is not None and hasattr(value, "dtype") and not isinstance(value, str)):
        value = f"{float(value):.2f}".rstrip("0").rstrip(".")
        value = "0" if value == "-0" else value
    return escape(value)
