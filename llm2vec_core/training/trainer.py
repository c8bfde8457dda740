"""``transformers.Trainer`` around an adapter's training.

From it and from accelerate come the loop, gradient accumulation, mixed precision, checkpoints, resuming, early
stopping, several GPUs and several machines. Ours is what it cannot know: that only the adapter is saved, which batch
comes next, what a diverged loss means, and whom to tell of a step.

Imported by :meth:`llm2vec_core.training.loop.AdapterTraining.fit` only: the Trainer takes seconds to import.
"""

from __future__ import annotations

import json
import math
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from llm2vec_core.errors import DivergenceError, InputError, TrainingError
from llm2vec_core.training.events import StepEvent

if TYPE_CHECKING:
    from llm2vec_core.training.config import TrainingConfig
    from llm2vec_core.training.loop import AdapterTraining, Listener

KEPT_CHECKPOINTS = 2
STATE_FILE = "trainer_state.json"
# Accelerate keeps its state, and torch its random state, once a process: runs in several threads take turns.
_TURN = threading.Lock()


def run_trainer(
    training: AdapterTraining, listener: Listener | None, folder: Path, *, keeps_checkpoints: bool, resume: bool
) -> None:
    """Train; see :meth:`llm2vec_core.training.loop.AdapterTraining.fit`.

    Args:
        training: the run.
        listener: told of every step.
        folder: for checkpoints.
        keeps_checkpoints: whether they are wanted, or only needed while training.
        resume: go on from the last one.
    """
    last = last_checkpoint(folder)
    if last is not None and not resume:
        raise InputError(
            f"{folder.name!r} holds checkpoints of an earlier run ({last.name}): go on with it (--resume), or choose "
            "another folder"
        )
    with _TURN, torch.enable_grad():
        arguments = _arguments(training, folder, keeps_checkpoints)
        training.plan(arguments.world_size)
        trainer = AdapterTrainer(training, listener, arguments)
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
        training.model.eval()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; one that a kill cut short is passed over."""
    whole = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit() and _is_whole(path)]
    return max(whole, key=lambda path: int(path.name[11:]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    # The Trainer writes its state behind everything else.
    try:
        return "global_step" in json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


class LossModule(nn.Module):
    """Batch in, loss out: what DistributedDataParallel and autocast wrap."""

    accepts_loss_kwargs = False

    def __init__(self, training: AdapterTraining) -> None:
        super().__init__()
        self.model = training.model
        self._training = training

    def forward(self, rows: list[Any], number: int) -> torch.Tensor:
        """Loss of the batch with this number."""
        return self._training.loss(rows, number)


class Batches(Dataset):
    """Every batch of the run, by number; made when it is asked for."""

    def __init__(self, training: AdapterTraining, count: int) -> None:
        self._training = training
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> dict[str, Any]:
        """What :class:`LossModule` takes."""
        return {"rows": self._training.batch(number), "number": number}


class AdapterTrainer(Trainer):
    """The Trainer, saving the adapter alone and refusing to go on once a number is not finite.

    Args:
        training: the run.
        listener: told of every step.
        arguments: for the Trainer.
    """

    control: Any  # the Trainer's own

    def __init__(self, training: AdapterTraining, listener: Listener | None, arguments: TrainingArguments) -> None:
        self.training = training
        self.step_loss = 0.0
        self.measured: float | None = None
        self._before_last_step = [torch.empty_like(p) for p in training.parameters]
        config = training.config
        optimizer = torch.optim.AdamW(training.parameters, lr=config.learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _share_of_learning_rate(config))
        callbacks: list[TrainerCallback] = [_Reporter(self, listener)]
        if config.patience is not None:
            callbacks.append(EarlyStoppingCallback(config.patience))
        super().__init__(
            LossModule(training),
            arguments,
            data_collator=lambda items: items[0],
            train_dataset=Batches(training, config.steps * config.accumulation_steps * arguments.world_size),
            eval_dataset=[] if training.has_held_out else None,
            callbacks=callbacks,
            optimizers=(optimizer, schedule),
        )
        self.remove_callback(PrinterCallback)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The loss, which is told to the listener later; raises while the weights are still good if it diverges."""
        loss = model(**inputs)
        value = self.accelerator.reduce(loss.detach().float(), "mean").item()
        if not math.isfinite(value):
            self._diverged(f"the loss is {value}", go_back=True)
        self.step_loss += value / self.current_gradient_accumulation_steps
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        norm = super()._clip_grad_norm(model)
        # In fp16 the scaler meets infinite gradients by design, and skips the step.
        if self.accelerator.scaler is None and not math.isfinite(float(norm)):
            self._diverged(f"the gradient's length is {float(norm)}", go_back=False)
        return norm

    def keep_weights(self) -> None:
        """Remember the adapter before it is changed: whether the change was good shows in the next loss."""
        with torch.no_grad():
            for kept, parameter in zip(self._before_last_step, self.training.parameters, strict=True):
                kept.copy_(parameter)

    def _diverged(self, what: str, go_back: bool) -> None:
        step, config = self.state.global_step, self.training.config
        if go_back and step > self._initial_global_step:
            with torch.no_grad():
                for kept, parameter in zip(self._before_last_step, self.training.parameters, strict=True):
                    parameter.copy_(kept)
            self.training.steps_done = step - 1
        self.training.model.eval()
        raise DivergenceError(
            f"{what} at step {step + 1}: lower learning_rate (now {config.learning_rate}) or max_grad_norm (now "
            f"{config.max_grad_norm}). The adapter of step {self.training.steps_done} is kept."
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """What the reporter measured: early stopping and the choice of the best checkpoint look at it."""
        metrics = {"eval_loss": float("inf") if self.measured is None else self.measured}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        checkpoint = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError, TrainingError) as error:
            if not _is_whole(checkpoint):
                shutil.rmtree(checkpoint, ignore_errors=True)
            # torch.save says of a full disk where in its own code it noticed, and nothing of the disk.
            reason = error.__cause__ or ("not written to its end" if isinstance(error, RuntimeError) else error)
            raise TrainingError(
                f"{checkpoint.name} cannot be written ({reason}): is the disk full? The checkpoints before it are as "
                "they were; make room and go on with --resume"
            ) from error

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        self.training.save(output_dir or self.args.output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self.training.load(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        self.training.load(self.state.best_model_checkpoint)
        self.training.steps_done = self.state.best_global_step


class _Reporter(TrainerCallback):
    """Measures, tells the listener, and stops the run where it says so."""

    def __init__(self, trainer: AdapterTrainer, listener: Listener | None) -> None:
        self._trainer = trainer
        self._listener = listener
        self._started = time.monotonic()

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        self._trainer.training.steps_done = state.global_step

    def on_step_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        self._trainer.step_loss = 0.0

    def on_pre_optimizer_step(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        self._trainer.keep_weights()

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        trainer, training = self._trainer, self._trainer.training
        config = training.config
        training.steps_done = state.global_step
        ends = state.global_step >= config.steps
        control.should_evaluate = training.has_held_out and (control.should_evaluate or ends)
        trainer.measured = training.held_out_loss() if control.should_evaluate else None
        event = StepEvent(
            state.global_step,
            config.steps,
            trainer.step_loss,
            config.learning_rate_at(state.global_step - 1),
            time.monotonic() - self._started,
            trainer.measured,
        )
        if self._wants_to_stop(event):
            control.should_training_stop = True
            control.should_save = args.save_strategy != "no"

    def _wants_to_stop(self, event: StepEvent) -> bool:
        if self._listener is None:
            answer: bool | None = True
        else:
            _TURN.release()
            try:
                answer = self._listener(event)
            finally:
                _TURN.acquire()
        accelerator = self._trainer.accelerator
        stops = torch.tensor(float(answer is False), device=accelerator.device)
        # One rank that stops alone would leave the others waiting for its embeddings.
        return accelerator.reduce(stops, "sum").item() > 0 if accelerator.num_processes > 1 else stops.item() > 0


def _share_of_learning_rate(config: TrainingConfig) -> Any:
    return lambda step: config.learning_rate_at(min(step, config.steps - 1)) / config.learning_rate


def _arguments(training: AdapterTraining, folder: Path, keeps_checkpoints: bool) -> TrainingArguments:
    config, device = training.config, training.model.device
    keeps_best = config.patience is not None
    if keeps_best and not training.has_held_out:
        raise InputError(f"patience is {config.patience}, but there is nothing held out to measure on")
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=1,  # one of our batches
        gradient_accumulation_steps=config.accumulation_steps,
        train_sampling_strategy="sequential",
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        bf16=config.mixed_precision == "bf16",
        fp16=config.mixed_precision == "fp16",
        use_cpu=device.type == "cpu",
        eval_strategy="steps" if training.has_held_out else "no",
        eval_steps=config.held_out_every,
        save_strategy="steps" if keeps_checkpoints or keeps_best else "no",
        save_steps=config.held_out_every if keeps_best else config.save_every,
        save_total_limit=KEPT_CHECKPOINTS,
        load_best_model_at_end=keeps_best,
        metric_for_best_model="loss" if keeps_best else None,
        greater_is_better=False if keeps_best else None,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=[],
        ddp_find_unused_parameters=False,
        accelerator_config={"use_seedable_sampler": False},
    )
    # More than one GPU is for torchrun; DataParallel would split our one batch.
    arguments._n_gpu = min(1, arguments.n_gpu)
    if (arguments.device.type, arguments.device.index or 0) != (device.type, device.index or 0):
        raise TrainingError(
            f"the encoder is on {device} and training would run on {arguments.device}: load the encoder there, or "
            "choose the device by CUDA_VISIBLE_DEVICES"
        )
    return arguments
