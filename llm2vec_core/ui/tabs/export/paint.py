"""Code to copy and a table of addresses, as HTML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from html import escape
from typing import Any

ORIGIN = "ORIGIN"


def code(source: str, label: str, elem_id: str = "") -> str:
    """Source text with a button that copies it; the word ORIGIN becomes this page's address in the browser."""
    body = escape(source).replace(ORIGIN, f'<span class="l2v-origin">{ORIGIN}</span>')
    ident = f' id="{escape(elem_id)}"' if elem_id else ""
    return (
        f'<div class="l2v l2v-code"{ident}><div class="l2v-code-head"><span>{escape(label)}</span>'
        f'<button type="button" data-l2v="copy" aria-label="Copy: {escape(label)}">Copy</button></div>'
        f'<pre tabindex="0"><code>{body}</code></pre></div>'
    )


def progress(done: int, total: int, seconds: float) -> str:
    """How far a file is."""
    share = done / max(total, 1)
    left = f", about {seconds / share - seconds:.0f} s left" if 0 < share < 1 and seconds > 2 else ""
    return (
        f'<div class="l2v" role="status"><div class="l2v-away-bar" aria-hidden="true"><i style="width:{100 * share:.1f}%"></i></div>'
        f'<p class="muted">{done:,} of {total:,} texts, {seconds:.0f} s{left}</p></div>'
    )


def made(rows: int, dimensions: int, size: int, seconds: float, name: str) -> str:
    """What a file holds."""
    return (
        f'<div class="l2v l2v-away-made" role="status" data-rows="{rows}" data-dimensions="{dimensions}">'
        f"<p><b>{escape(name)}</b> is ready: {rows:,} {'row' if rows == 1 else 'rows'} of {dimensions:,} numbers, {file_size(size)}, made in {seconds:.1f} s "
        f"({rows / max(seconds, 1e-9):,.0f} texts a second).</p></div>"
    )


def file_size(size: int) -> str:
    """Bytes, for people.

    Example:
        >>> file_size(999), file_size(1_500_000)
        ('999 bytes', '1.5 MB')
    """
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def endpoint_table(functions: list[Callable[..., Any]]) -> str:
    """Names, arguments and answers, read from the functions themselves so that this cannot go stale."""
    rows = []
    for function in functions:
        told = (inspect.getdoc(function) or "").replace("``", "")
        meanings = dict(
            re.findall(r"^    (\w+): (.+?)(?=\n    \w+: |\n\n|\Z)", _section(told, "Args"), re.DOTALL | re.MULTILINE)
        )
        arguments = "".join(
            f"<li><code>{escape(name)}</code> <span class='muted'>{escape(_type(p))}</span> {escape(' '.join(meanings.get(name, '').split()))}</li>"
            for name, p in inspect.signature(function).parameters.items()
        )
        answer = " ".join(_section(told, "Returns").split())
        rows.append(
            f'<section class="l2v-away-endpoint"><h3><code>/{escape(function.__name__)}</code> {escape(told.splitlines()[0])}</h3>'
            f"<ul>{arguments}</ul><p><b>Answer.</b> {escape(answer)}</p></section>"
        )
    return f'<div class="l2v l2v-card l2v-away-api">{"".join(rows)}</div>'


def _section(told: str, name: str) -> str:
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", told, re.MULTILINE)
    return found[1] if found else ""


def _type(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return name if parameter.default is inspect.Parameter.empty else f"{name} = {parameter.default!r}"
