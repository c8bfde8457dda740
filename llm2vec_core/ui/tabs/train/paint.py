"""What stands around the loss curve."""

from __future__ import annotations

from html import escape


def training_status(text: str, *, busy: bool = False) -> str:
    """One line under the training button."""
    return f'<div class="l2v"><p id="training-status" role="status" data-busy="{int(busy)}">{escape(text)}</p></div>'
