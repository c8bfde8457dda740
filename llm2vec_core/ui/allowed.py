"""Which models visitors may have loaded from the Hub: the operator's list, read from the environment.

``LLM2VEC_HUB_MODELS`` names them, separated by commas or blanks: Hub ids (``Qwen/Qwen3-0.6B``), all of an owner
(``Qwen/*``), ``presets`` for the models known by name, ``any``, or ``none``. The base of an adapter has to be among
them, too. Without the variable a Space offers its presets alone, and any other machine whatever its visitors name.
What lies on the machine may always be used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from llm2vec_core.errors import InputError
from llm2vec_core.presets import ModelPreset
from llm2vec_core.provision import is_at_hand

VARIABLE = "LLM2VEC_HUB_MODELS"
ANY, PRESETS_ALONE, NONE = "any", "presets", "none"
_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/(\*|[A-Za-z0-9][A-Za-z0-9._-]*)")


def repositories(preset: ModelPreset) -> list[str]:
    """Folders or Hub ids that a model is made of: its base, and the adapters of its stages."""
    return [preset.base, *(adapter for stage in preset.stages for adapter in stage.adapters)]


@dataclass(frozen=True)
class AllowedModels:
    """What may be loaded from the Hub.

    Attributes:
        words: Hub ids, ``owner/*``, "presets", or "any"; nothing of the Hub if there are none.
    """

    words: tuple[str, ...] = (ANY,)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> AllowedModels:
        """What the operator has set.

        Raises:
            InputError: naming a word that is none of those known.

        Example:
            >>> AllowedModels.from_environment({"SPACE_ID": "owner/name"})
            AllowedModels(words=('presets',))
            >>> AllowedModels.from_environment({"LLM2VEC_HUB_MODELS": "presets, Qwen/*"}).words
            ('presets', 'Qwen/*')
        """
        words = tuple(word for word in re.split(r"[\s,]+", environment.get(VARIABLE, "")) if word)
        if not words:
            return cls((PRESETS_ALONE,) if "SPACE_ID" in environment else (ANY,))
        for word in words:
            alone = word in (ANY, NONE)
            if (alone and len(words) > 1) or not (alone or word == PRESETS_ALONE or _PATTERN.fullmatch(word)):
                raise InputError(
                    f"{VARIABLE}: {word!r:.80} cannot stand there; give Hub ids (owner/name), all of an owner "
                    f"(owner/*), {PRESETS_ALONE}, or {ANY} or {NONE} alone"
                )
        return cls(() if words == (NONE,) else words)

    @property
    def anything(self) -> bool:
        """Whether visitors may name any model."""
        return ANY in self.words

    def check_name(self, name: str, presets: Iterable[ModelPreset]) -> None:
        """Stop before the Hub is asked for a model that a visitor names.

        Args:
            name: Hub id.
            presets: that the page offers.

        Raises:
            InputError: naming what is allowed.
        """
        known = {part for preset in presets for part in repositories(preset)} if PRESETS_ALONE in self.words else set()
        if not (self._has(name) or name in known):
            raise InputError(f"{name!r} is not loaded on this server: its operator allows {self}.")

    def check_preset(self, preset: ModelPreset) -> None:
        """The same for a preset, by its key.

        Raises:
            InputError: naming what is allowed.
        """
        if not (is_at_hand(preset) or PRESETS_ALONE in self.words or self._has(preset.base)):
            raise InputError(f"{preset.label} is not loaded on this server: its operator allows {self}.")

    def _has(self, name: str) -> bool:
        return self.anything or any(fnmatchcase(name, word) for word in self.words)

    def __str__(self) -> str:
        named = [word for word in self.words if word != PRESETS_ALONE]
        listed = ["the models of the list"] if PRESETS_ALONE in self.words else []
        return ", ".join(listed + named) or "none of the Hub"
