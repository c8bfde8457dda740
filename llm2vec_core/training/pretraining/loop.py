"""Next-token training of the bundled decoder, with checkpoints that can be resumed exactly.

The learning rate warms up, stays constant and falls linearly to zero at the end ("warm-up, stable,
decay"; Hu et al., 2024, MiniCPM, section 4): a run that stops before its decay can be continued for
longer without having planned for it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides the outcome of a run.

    Attributes:
        steps: optimizer steps in all, those before a resume included.
        decay_steps: the last steps, over which the learning rate falls to zero.
        warmup_steps: the first steps, over which it rises.
        batch_size: sequences a step.
        sequence_length: tokens a sequence.
        learning_rate: at its plateau.
        weight_decay: of the matrices (vectors are not decayed).
        max_grad_norm: gradients are clipped to this length.
        seed: of the weights and of the order of the data.
        precision: "float32", or "bfloat16" for the matrix products alone (weights, sums and the loss stay
            float32): 1.6 times faster on a processor with AVX512-BF16, slower on one without.
        optimizer: "adamw", or "muon" for the matrices of the layers, with AdamW for the rest (Jordan et al., 2024,
            "Muon"), whose steps are scaled to the size of AdamW's (Liu et al., 2025, "Muon is Scalable", section
            2.2), so that one learning rate serves both: for a GPU, since it runs in bfloat16.
    """

    steps: int = 5000
    decay_steps: int = 2800
    warmup_steps: int = 100
    batch_size: int = 8
    sequence_length: int = 256
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.1
    max_grad_norm: float = 1.0
    seed: int = 0
    precision: str = "float32"
    optimizer: str = "adamw"

    def __post_init__(self) -> None:
        for name, known in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; choose one of {', '.join(known)}")
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} + decay_steps {self.decay_steps} exceed steps {self.steps}"
            )

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the step with this number (from 0).

        Example:
            >>> config = PretrainConfig(steps=100, warmup_steps=10, decay_steps=20, learning_rate=1.0)
            >>> [config.learning_rate_at(step) for step in (0, 50, 90)]
            [0.1, 1.0, 0.5]
        """
        rising = min(1.0, (step + 1) / max(1, self.warmup_steps))
        falling = min(1.0, (self.steps - step) / max(1, self.decay_steps))
        return self.learning_rate * min(rising, falling)


def model_config(vocab_size: int, *, hidden_size: int, layers: int, heads: int, context_length: int) -> LlamaConfig:
    """The bundled model's shape: a Llama with tied embeddings and the usual 8/3 wide gated MLP."""
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=round(hidden_size * 8 / 3 / 64) * 64,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context_length,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def batches(ids: np.ndarray, config: PretrainConfig, first_step: int) -> Iterator[torch.Tensor]:
    """Endless batches of int64 ids, shape (batch_size, sequence_length + 1), without repeats in an epoch.

    The order depends on seed and step alone, so that a resumed run sees what it would have seen.
    """
    length = config.sequence_length
    rows = (len(ids) - 1) // length
    if rows < config.batch_size:
        needed = config.batch_size * length + 1
        raise ValueError(f"the token file holds {len(ids)} tokens; one batch needs {needed}")
    per_epoch = rows // config.batch_size
    step = first_step
    epoch = -1
    order = np.zeros(0, dtype=np.int64)
    while True:
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = np.random.default_rng((config.seed, epoch)).permutation(rows)
        start = (step % per_epoch) * config.batch_size
        chosen = order[start : start + config.batch_size]
        yield torch.from_numpy(np.stack([ids[r * length : r * length + length + 1] for r in chosen]).astype(np.int64))
        step += 1


def language_model_loss(model: LlamaForCausalLM, batch: torch.Tensor, precision: str = "float32") -> torch.Tensor:
    """Mean negative log-likelihood (nats) of each next token; batch is (sequences, length + 1)."""
    with torch.autocast(batch.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        hidden = model.model(input_ids=batch[:, :-1], use_cache=False).last_hidden_state  # (B, T, d)
        logits = model.lm_head(hidden)  # (B, T, V)
    return functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


class Optimizers:
    """AdamW for everything, or Muon for the layers' matrices and AdamW for the rest.

    Args:
        model: whose parameters are trained.
        config: see :class:`PretrainConfig`.
    """

    def __init__(self, model: LlamaForCausalLM, config: PretrainConfig) -> None:
        embedding = model.get_input_embeddings().weight
        matrices = [p for p in model.parameters() if p.ndim >= 2 and p is not embedding]
        vectors = [p for p in model.parameters() if p.ndim < 2]
        self._config = config
        self.all: list[torch.optim.Optimizer] = []
        if config.optimizer == "muon":
            self.all.append(
                torch.optim.Muon(
                    matrices, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
            matrices = []
        groups = [{"params": [*matrices, embedding], "weight_decay": config.weight_decay}]
        groups += [{"params": vectors, "weight_decay": 0.0}]
        self.all.append(torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True))

    def step(self, number: int) -> None:
        """Change the weights by their gradients, and forget these."""
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = self._config.learning_rate_at(number)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def held_out_perplexity(model: LlamaForCausalLM, ids: np.ndarray, length: int, rows: int = 64) -> float:
    """Exp of the mean loss over the first ``rows`` sequences of a held-out token file."""
    was_training = model.training
    model.eval()
    rows = min(rows, (len(ids) - 1) // length)
    losses = []
    for start in range(0, rows, 8):
        batch = np.stack([ids[r * length : r * length + length + 1] for r in range(start, min(start + 8, rows))])
        loss = language_model_loss(model, torch.from_numpy(batch.astype(np.int64)).to(model.device))
        losses.extend([loss.item()] * len(batch))
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


def save_checkpoint(folder: Path, model: torch.nn.Module, optimizers: Optimizers, step: int) -> None:
    """Write weights and optimizer moments; the new file replaces the old one only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    for number, optimizer in enumerate(optimizers.all):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": value for name, value in state.items()}
    tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    partial = folder / "checkpoint.partial"
    save_file(tensors, partial, metadata={"step": str(step)})
    partial.replace(folder / "checkpoint.safetensors")


def load_checkpoint(folder: Path, model: torch.nn.Module, optimizers: Optimizers) -> int:
    """Load what :func:`save_checkpoint` wrote; returns the number of steps already done (0 if none)."""
    file = folder / "checkpoint.safetensors"
    if not file.exists():
        return 0
    tensors = load_file(file)
    weights = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"{file} holds another model: missing {missing}, unexpected {unexpected}")
    for number, optimizer in enumerate(optimizers.all):
        state: dict[int, dict[str, torch.Tensor]] = {}
        prefix = f"optimizer.{number}."
        for name, value in tensors.items():
            if name.startswith(prefix):
                index, key = name.removeprefix(prefix).split(".")
                state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    with safe_open(file, "pt") as opened:
        return int(opened.metadata()["step"])


def pretrain(
    model: LlamaForCausalLM,
    train_ids: np.ndarray,
    valid_ids: np.ndarray,
    config: PretrainConfig,
    work: Path,
    *,
    compile_model: bool = False,
    log_every: int = 20,
    save_every: int = 200,
) -> dict[str, float]:
    """Train, log to ``work/log.jsonl``, checkpoint to ``work``; picks up where ``work`` stopped.

    Args:
        model: in float32, on the device to train on; trained in place.
        train_ids: uint16 ids of shape (tokens,).
        valid_ids: the same of held-out text.
        config: see :class:`PretrainConfig`.
        work: folder of the checkpoint.
        compile_model: use torch.compile (needs a C++ compiler; a quarter faster on a CPU).
        log_every: steps between log lines.
        save_every: steps between checkpoints and held-out measurements.

    Returns:
        steps, hours of this call, last training loss and held-out perplexity.
    """
    torch.manual_seed(config.seed)
    torch.set_flush_denormal(True)
    optimizers = Optimizers(model, config)
    done = load_checkpoint(work, model, optimizers)
    work.mkdir(parents=True, exist_ok=True)
    (work / "config.json").write_text(json.dumps(asdict(config), indent=1) + "\n")
    loss_function = torch.compile(language_model_loss, dynamic=False) if compile_model else language_model_loss
    model.train()
    running: list[float] = []
    started = time.time()
    data = batches(train_ids, config, done)
    log = (work / "log.jsonl").open("a")
    for step in range(done, config.steps):
        loss = loss_function(model, next(data).to(model.device), config.precision)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizers.step(step)
        running.append(loss.detach().item())
        if not math.isfinite(running[-1]):
            raise FloatingPointError(
                f"loss is {running[-1]} at step {step}: lower learning_rate {config.learning_rate}"
            )
        last = step + 1 == config.steps
        if (step + 1) % log_every == 0 or last:
            row = {"step": step + 1, "loss": sum(running) / len(running), "minutes": (time.time() - started) / 60}
            if (step + 1) % save_every == 0 or last:
                row["valid_perplexity"] = held_out_perplexity(model, valid_ids, config.sequence_length)
                save_checkpoint(work, model, optimizers, step + 1)
            print(json.dumps(row), file=log, flush=True)
            print(json.dumps(row), flush=True)
            running = []
    log.close()
    return {
        "steps": config.steps,
        "hours": (time.time() - started) / 3600,
        "valid_perplexity": held_out_perplexity(model, valid_ids, config.sequence_length),
    }
