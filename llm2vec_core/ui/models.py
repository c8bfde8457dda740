"""The models that the page can show, each with its own context, made when first asked for."""

from __future__ import annotations

import threading

from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED, PRESETS
from llm2vec_core.ui.context import AppContext, Limits


class Models:
    """Contexts by preset key. The bundled model's is always there.

    Args:
        limits: for all of them.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.bundled = AppContext(BUNDLED, self.limits)
        self._contexts = {BUNDLED.key: self.bundled}
        self._guard = threading.Lock()

    def context(self, key: str) -> AppContext:
        """The context of a preset.

        Raises:
            InputError: if there is no such preset.
        """
        if key not in PRESETS:
            raise InputError(f"unknown model {key!r}; choose one of {', '.join(PRESETS)}")
        with self._guard:
            return self._contexts.setdefault(key, AppContext(PRESETS[key], self.limits))
