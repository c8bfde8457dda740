"""Train a LoRA adapter on an encoder, one event a step.

:meth:`AdapterTraining.fit` runs ``transformers.Trainer`` (see ``trainer.py``) and tells a listener of every step;
:meth:`AdapterTraining.run` is the same as a generator: whoever iterates decides whether to go on. Leaving early (a
visitor presses "stop", a connection closes) keeps the adapter as the last step left it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from llm2vec_core.bidirectional import make_bidirectional, shared_weights_view
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.threads import iterate_in_thread
from llm2vec_core.training.config import FREE_TO_CHANGE, TrainingConfig
from llm2vec_core.training.distributed import each_rank_alone
from llm2vec_core.training.events import StepEvent
from llm2vec_core.training.lora import add_lora, portable_adapter_config
from llm2vec_core.training.objectives.base import Objective
from llm2vec_core.training.schedule import BatchSchedule, mixed_seed

HELD_OUT_SEED = 1
ADAPTER_FILE, SETTINGS_FILE = "adapter_model.safetensors", "training.json"
# Enough to know a base or a data set again, few enough to read at once.
_FINGERPRINT_ELEMENTS, _FINGERPRINT_EXAMPLES = 64, 1000

_FINGERPRINTS = {
    "base_fingerprint": "it was trained on a base with other weights",
    "examples_fingerprint": "it was trained on other examples",
}
Listener = Callable[[StepEvent], "bool | None"]


class AdapterTraining:
    """One run: an encoder, an objective, examples, settings.

    Args:
        encoder: its weights are shared, never changed; the adapter stands beside them.
        objective: what to learn.
        examples: texts, or pairs for a supervised objective; at least one batch. Each epoch sees each once, in a
            new order.
        config: settings.
        held_out: examples never trained on, whose loss is measured now and then.

    Raises:
        InputError: if there are too few examples for a batch.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> from llm2vec_core.training.objectives import MNTP
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
        >>> training = AdapterTraining(encoder, MNTP(), ["A river flows.", "Rain falls."], TrainingConfig(steps=2))
        >>> [event.step for event in training.run()]
        [1, 2]
        >>> training.encoder().prefix_test().is_bidirectional
        True
    """

    def __init__(
        self,
        encoder: LLM2Vec,
        objective: Objective,
        examples: Sequence[Any],
        config: TrainingConfig,
        held_out: Sequence[Any] = (),
    ) -> None:
        if encoder.dense:
            raise TrainingError(
                f"{encoder.name} has {len(encoder.dense)} Dense layers behind pooling, which training here does not go "
                "through: train its base without them"
            )
        self.config = config
        self.objective = objective
        self.steps_done = 0
        self._base = encoder
        self._reader = encoder.with_settings(max_length=min(config.max_length, encoder.max_length))
        self._examples = _usable(examples, objective)
        self.plan(ranks=1)
        self._held_out = _usable(held_out[: 2 * config.batch_size], objective)
        self._fingerprint = _fingerprint(encoder, self._examples)
        torch.manual_seed(config.seed)
        self._peft = add_lora(encoder.causal_model, config)
        # The causal tree keeps the adapter for later; this view of it is what gets trained.
        self.model = shared_weights_view(self._peft.get_base_model())
        if config.bidirectional:
            make_bidirectional(self.model, sliding_window=encoder.settings.sliding_window)
        objective.bind(self.model, encoder.tokenizer)
        if config.gradient_checkpointing:
            # The reentrant kind knows nothing of torch.autograd.grad, which gradient caching uses.
            try:
                self.model.activation_checkpointing_enable({"use_reentrant": False})
                # Only the reentrant kind needs embeddings with a gradient, and git adds to its own in place.
                self.model.disable_input_require_grads()
            except ValueError as error:
                raise TrainingError(
                    f"gradient_checkpointing is True, and {self.model.config.model_type} cannot compute its "
                    f"activations twice ({error}): take gradient_checkpointing=False and a smaller batch"
                ) from error
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]

    @property
    def has_held_out(self) -> bool:
        """Whether there is anything to measure on."""
        return len(self._held_out) >= self.objective.min_batch_size

    def fit(self, listener: Listener | None = None, *, folder: str | Path | None = None, resume: bool = False) -> None:
        """Train in this thread (and, started by ``torchrun`` or ``accelerate launch``, on every rank).

        Args:
            listener: told of every step; what returns False ends the run after that step.
            folder: where checkpoints go (``checkpoint-STEP``); without one there are none.
            resume: go on from the folder's last whole checkpoint, exactly where the run stopped; from the start if
                it has none.

        Raises:
            DivergenceError: if loss or gradient is no longer finite; the adapter is then as the last good step left it.
            TrainingError: if a checkpoint belongs to another run, or one cannot be written.
            InputError: if the folder holds checkpoints and ``resume`` is False.
        """
        # Seconds of imports that nobody should wait for who only reads a configuration.
        from llm2vec_core.training.trainer import run_trainer

        if folder is not None:
            run_trainer(self, listener, Path(folder), keeps_checkpoints=True, resume=resume)
            return
        with tempfile.TemporaryDirectory(prefix="training-") as place:
            run_trainer(self, listener, Path(place), keeps_checkpoints=False, resume=False)

    def run(self, *, folder: str | Path | None = None, resume: bool = False) -> Iterator[StepEvent]:
        """Train in a thread beside this one; yields after every step, and waits until the next is asked for.

        Args:
            folder: as in :meth:`fit`.
            resume: likewise.

        Raises:
            TrainingError: as :meth:`fit` does.
            InputError: likewise.
        """
        yield from iterate_in_thread(lambda emit: self.fit(emit, folder=folder, resume=resume))

    def plan(self, ranks: int) -> None:
        """Decide which batch holds which examples.

        Args:
            ranks: processes that train together.

        Raises:
            InputError: if there are too few examples for a batch on each.
        """
        count, needed = len(self._examples), max(2, self.objective.min_batch_size) * ranks
        if count < needed:
            raise InputError(f"{count} usable examples to train on; give at least {needed} different ones, none blank")
        self._ranks = ranks
        self._batch_size = min(self.config.batch_size, count // ranks)
        groups = [pair.task for pair in self._examples] if self.config.same_task_batches else None
        self._schedule = BatchSchedule(count, self._batch_size, ranks, self.config.seed, groups)

    def batch(self, number: int) -> list[Any]:
        """The examples of the batch with this number, tokenised."""
        return self.objective.tokenize(self._reader, [self._examples[i] for i in self._schedule[number]])

    def loss(self, rows: Sequence[Any], number: int) -> torch.Tensor:
        """Loss of a batch; masks and dropout are a function of the seed and its number, so a run resumes exactly."""
        seed = mixed_seed(self.config.seed, number)
        torch.manual_seed(seed)
        return self.objective.loss(self.model, rows, torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def held_out_loss(self) -> float | None:
        """Loss on the held-out examples, with the same noise each time; None if there are none."""
        size = max(self.objective.min_batch_size, self._batch_size)
        batches = [self._held_out[i : i + size] for i in range(0, len(self._held_out), size)]
        batches = [batch for batch in batches if len(batch) >= self.objective.min_batch_size]
        if not batches:
            return None
        generator = torch.Generator().manual_seed(HELD_OUT_SEED)
        device = self.model.device
        # The dropout of the steps to come must not depend on whether this was called.
        with torch.random.fork_rng([device] if device.type == "cuda" else []), each_rank_alone():
            torch.manual_seed(HELD_OUT_SEED)
            self.model.train(self.objective.dropout_is_the_task)
            rows = (self.objective.tokenize(self._reader, batch) for batch in batches)
            losses = [self.objective.loss(self.model, batch, generator).item() for batch in rows]
        return sum(losses) / len(losses)

    def encoder(self) -> LLM2Vec:
        """The base with the adapter as it is now, reading and pooling as it was trained; shares the base's tensors."""
        settings = asdict(self._base.settings) | {"bidirectional": self.config.bidirectional}
        if (mode := getattr(self.objective, "pooling_mode", None)) is not None:
            settings["pooling_mode"] = mode
        return LLM2Vec(self._peft.get_base_model(), self._base.tokenizer, **settings)

    def save(self, folder: str | Path, *, dtype: torch.dtype = torch.float32, **report: Any) -> None:
        """Write the adapter in PEFT's format, and the settings that made it beside it.

        What was in the folder before is replaced only once everything is written.

        Args:
            folder: made if it does not exist.
            dtype: of the weights in the file.
            report: goes into ``training.json`` too, such as the last loss.

        Raises:
            TrainingError: if it cannot be written (a full disk, say).
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as place:
                self._write(Path(place), dtype, report)
                for file in sorted(Path(place).iterdir()):
                    file.replace(folder / file.name)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"the adapter cannot be written to {folder.name!r} ({error}): nothing that was there has changed; make "
                "room or choose another folder"
            ) from error

    def load(self, folder: str | Path) -> None:
        """Take the adapter's weights from a folder of :meth:`save`.

        Raises:
            TrainingError: if it was trained on another base, on other examples or with other settings.
        """
        folder = Path(folder)
        try:
            settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
            weights = load_file(folder / ADAPTER_FILE)
        except (OSError, ValueError, SafetensorError) as error:
            raise TrainingError(f"{folder.name!r} is no whole checkpoint ({type(error).__name__}): {error}") from error
        now = json.loads(json.dumps(self._settings()))
        for name, value in now.items():
            if name not in (*FREE_TO_CHANGE, "steps_done") and settings.get(name) != value:
                what = _FINGERPRINTS.get(name, f"its {name} is {settings.get(name)!r}, now it is {value!r}")
                raise TrainingError(
                    f"{folder.name!r} belongs to another run: {what}; take the same, or train into another folder"
                )
        set_peft_model_state_dict(self._peft, weights)

    def _write(self, folder: Path, dtype: torch.dtype, report: dict[str, Any]) -> None:
        self._peft.save_pretrained(str(folder))
        if dtype != torch.float32:
            weights = {name: weight.to(dtype) for name, weight in load_file(folder / ADAPTER_FILE).items()}
            save_file(weights, folder / ADAPTER_FILE, metadata={"format": "pt"})
        (folder / "README.md").unlink(missing_ok=True)
        file = folder / "adapter_config.json"
        adapter = portable_adapter_config(json.loads(file.read_text(encoding="utf-8")), self._base.name)
        file.write_text(json.dumps(adapter, indent=1) + "\n", encoding="utf-8")
        text = json.dumps(self._settings() | report, indent=1)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")

    def _settings(self) -> dict[str, Any]:
        options = {name: value for name, value in vars(self.objective).items() if _is_plain(name, value)}
        return {
            "objective": self.objective.name,
            "steps_done": self.steps_done,
            **asdict(self.config),
            "options": {name: value for name, value in options.items() if name != "name"},
            "base": self._base.name,
            "ranks": self._ranks,
            **self._fingerprint,
        }


def _usable(examples: Sequence[Any], objective: Objective) -> Sequence[Any]:
    # An array of tokens stays one; a list of its rows would be many times as large.
    if all(objective.is_usable(example) for example in examples):
        return examples
    return [example for example in examples if objective.is_usable(example)]


def _is_plain(name: str, value: Any) -> bool:
    return not name.startswith("_") and (value is None or isinstance(value, (bool, int, float, str)))


def _fingerprint(encoder: LLM2Vec, examples: Sequence[Any]) -> dict[str, str]:
    """A few bytes that tell this base and these examples from others."""
    weights, data = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
    for name, parameter in encoder.causal_model.named_parameters():
        first = parameter.detach().flatten()[:_FINGERPRINT_ELEMENTS].float().cpu().numpy()
        weights.update(f"{name}{tuple(parameter.shape)}".encode() + first.tobytes())
    step = max(1, len(examples) // _FINGERPRINT_EXAMPLES)
    data.update(str(len(examples)).encode())
    for index in range(0, len(examples), step):
        data.update(repr(examples[index]).encode("utf-8", "replace"))
    return {"base_fingerprint": weights.hexdigest(), "examples_fingerprint": data.hexdigest()}
