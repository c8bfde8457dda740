"""Train a LoRA adapter on an encoder, one event a step.

The loop is a generator: whoever iterates decides whether to go on. Leaving it early (a visitor presses
"stop", a connection closes) keeps the adapter as the last step left it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from llm2vec_core.batching import TokenizedText, tokenize
from llm2vec_core.bidirectional import make_bidirectional, shared_weights_view
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.events import StepEvent
from llm2vec_core.training.lora import add_lora, portable_adapter_config
from llm2vec_core.training.objectives.base import Objective

HELD_OUT_SEED = 1


class AdapterTraining:
    """One run: an encoder, an objective, texts, settings.

    Args:
        encoder: its weights are shared, never changed; the adapter stands beside them.
        objective: what to learn.
        texts: at least one batch of non-empty texts; each epoch sees each text once, in a new order.
        config: settings.
        held_out: texts never trained on, whose loss is measured now and then.

    Raises:
        InputError: if there are too few texts for a batch.

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
        texts: Sequence[str],
        config: TrainingConfig,
        held_out: Sequence[str] = (),
    ) -> None:
        self.config = config
        self.objective = objective
        self.steps_done = 0
        self._base = encoder
        self._rows = self._tokenized(texts)
        self._held_out = self._tokenized(held_out)[: 2 * config.batch_size]
        needed = max(2, objective.min_batch_size)
        if len(self._rows) < needed:
            raise InputError(f"{len(self._rows)} usable texts to train on; give at least {needed} non-empty ones")
        self._batch_size = min(config.batch_size, len(self._rows))
        torch.manual_seed(config.seed)
        self._peft = add_lora(encoder.causal_model, config)
        # The causal tree keeps the adapter for later; this bidirectional view of it is what gets trained.
        self._model = shared_weights_view(self._peft.get_base_model())
        make_bidirectional(self._model)
        objective.bind(self._model, encoder.tokenizer)
        self._parameters = [p for p in self._model.parameters() if p.requires_grad]

    def run(self) -> Iterator[StepEvent]:
        """Train; yields after every step.

        Raises:
            TrainingError: if the loss is no longer finite. The adapter keeps the last good step.
        """
        config = self.config
        optimizer = torch.optim.AdamW(self._parameters, lr=config.learning_rate, weight_decay=0.0)
        generator = torch.Generator().manual_seed(config.seed)
        started = time.monotonic()
        for step, rows in zip(range(config.steps), self._batches(generator), strict=False):
            # Grad mode is the caller's thread's; a page's worker thread may have it off.
            with torch.enable_grad():
                self._model.train()
                loss = self.objective.loss(self._model, rows, generator)
                value = loss.item()
                if not math.isfinite(value):
                    raise TrainingError(
                        f"the loss is {value} at step {step + 1}: lower learning_rate (now {config.learning_rate}). "
                        f"The adapter of step {step} is kept."
                    )
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(self._parameters, config.max_grad_norm)
                if math.isfinite(norm):
                    for group in optimizer.param_groups:
                        group["lr"] = config.learning_rate_at(step)
                    optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.steps_done = step + 1
            measured = None
            if self._held_out and (self.steps_done % config.held_out_every == 0 or self.steps_done == config.steps):
                measured = self.held_out_loss()
            yield StepEvent(
                self.steps_done,
                config.steps,
                value,
                config.learning_rate_at(step),
                time.monotonic() - started,
                measured,
            )

    @torch.no_grad()
    def held_out_loss(self) -> float | None:
        """Loss on the held-out texts, with the same noise each time; None if there are none."""
        size = max(self.objective.min_batch_size, self._batch_size)
        batches = [self._held_out[i : i + size] for i in range(0, len(self._held_out), size)]
        batches = [batch for batch in batches if len(batch) >= self.objective.min_batch_size]
        if not batches:
            return None
        generator = torch.Generator().manual_seed(HELD_OUT_SEED)
        # The dropout of the steps to come must not depend on whether this was called.
        state = torch.get_rng_state()
        torch.manual_seed(HELD_OUT_SEED)
        self._model.train(self.objective.dropout_is_the_task)
        losses = [self.objective.loss(self._model, batch, generator).item() for batch in batches]
        torch.set_rng_state(state)
        return sum(losses) / len(losses)

    def encoder(self) -> LLM2Vec:
        """The base with the adapter as it is now, reading in both directions; shares the base's tensors."""
        return LLM2Vec(
            self._peft.get_base_model(),
            self._base.tokenizer,
            **(asdict(self._base.settings) | {"bidirectional": True}),
        )

    def save(self, folder: str | Path) -> None:
        """Write the adapter in PEFT's format, and the settings that made it beside it.

        Args:
            folder: made if it does not exist.
        """
        folder = Path(folder)
        self._peft.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)
        file = folder / "adapter_config.json"
        adapter = portable_adapter_config(json.loads(file.read_text(encoding="utf-8")), self._base.name)
        file.write_text(json.dumps(adapter, indent=1) + "\n", encoding="utf-8")
        settings = {"objective": self.objective.name, "steps_done": self.steps_done, **asdict(self.config)}
        (folder / "training.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    def _tokenized(self, texts: Sequence[str]) -> list[TokenizedText]:
        limit = min(self.config.max_length, self._base.max_length)
        usable = [text for text in texts if text.strip()]
        return tokenize(self._base.tokenizer, usable, max_length=limit)

    def _batches(self, generator: torch.Generator) -> Iterator[list[TokenizedText]]:
        while True:
            order = torch.randperm(len(self._rows), generator=generator).tolist()
            for start in range(0, len(order) - self._batch_size + 1, self._batch_size):
                yield [self._rows[i] for i in order[start : start + self._batch_size]]
