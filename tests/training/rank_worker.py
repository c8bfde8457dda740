"""One process of a training on one or several: ``python -m tests.training.rank_worker FOLDER``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.loading import load_tokenizer
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training import trainer
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import MNTP, SimCSE, Supervised
from llm2vec_core.training.pairs import Pair
from tests.conftest import tiny_llama

JOINT_BATCH, STEPS = 6, 2
TEXTS = [p.text for p in passages()[: 2 * JOINT_BATCH]]
# One pair with a hard negative: one rank has it and the other has none.
PAIRS = [Pair(text[-40:], text[:60], text[70:110] if i == 3 else "") for i, text in enumerate(TEXTS)]
RUNS = {
    "supervised": (Supervised(), PAIRS, 0.0),
    "cached": (Supervised(chunk_size=3), PAIRS, 0.0),
    "simcse": (SimCSE(attention_dropout=0.0), TEXTS, 0.0),
    "noisy": (SimCSE(attention_dropout=0.3), TEXTS, 0.05),
}


def main(folder: Path) -> None:
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    tokenizer = load_tokenizer(str(BUNDLED.base), None)
    encoder = LLM2Vec(tiny_llama(vocab_size=len(tokenizer), num_hidden_layers=2), tokenizer)
    gradients: dict[str, torch.Tensor] = {}
    losses = {}
    for name, (objective, examples, dropout) in RUNS.items():
        config = TrainingConfig(
            steps=STEPS, batch_size=JOINT_BATCH // ranks, max_length=12, learning_rate=1e-3, lora_dropout=dropout,
            max_grad_norm=1e9, held_out_every=1,
        )  # fmt: skip
        training = AdapterTraining(encoder, objective, examples, config, held_out=examples[:4])

        def record(self, name=name, keep=trainer.AdapterTrainer.keep_weights):
            for i, parameter in enumerate(self.training.parameters):
                gradients.setdefault(f"{name}.{i}", parameter.grad.clone())
            keep(self)

        patched, trainer.AdapterTrainer.keep_weights = trainer.AdapterTrainer.keep_weights, record
        events = list(training.run(folder=folder / f"{name}-{ranks}"))
        trainer.AdapterTrainer.keep_weights = patched
        losses[name] = [(event.loss, event.held_out_loss) for event in events]
        save_file(
            {str(i): p.detach() for i, p in enumerate(training.parameters)},
            folder / f"{name}-{ranks}-{rank}.safetensors",
        )
    # Only the last rank wants to stop; all have to.
    training = AdapterTraining(encoder, MNTP(), TEXTS, TrainingConfig(steps=5, batch_size=2, max_length=8))
    training.fit(lambda event: not (rank == ranks - 1 and event.step == 2))
    losses["stopped"] = training.steps_done
    save_file(gradients, folder / f"gradients-{ranks}-{rank}.safetensors")
    (folder / f"losses-{ranks}-{rank}.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
