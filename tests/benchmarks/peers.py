"""The same weights in other hands: sentence-transformers, by each of its backends, and OpenVINO by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from llm2vec_core.encoder import LLM2Vec
from tests.benchmarks.bench_encode import BATCH_SIZE


def sentence_transformer(base: str, max_length: int, backend: str) -> Callable[[Sequence[str]], np.ndarray]:
    """A decoder as sentence-transformers runs it, causal, with mean pooling.

    Args:
        base: its folder.
        max_length: tokens of a text at most.
        backend: "torch", "openvino" or "onnx".
    """
    options = {"dtype": torch.float32} if backend == "torch" else {"export": True}
    module = Transformer(base, max_seq_length=max_length, model_kwargs=options, backend=backend)
    model = SentenceTransformer(modules=[module, Pooling(module.get_embedding_dimension(), "mean")], device="cpu")
    return lambda texts: model.encode(texts, batch_size=BATCH_SIZE)


def compiled_by_openvino(encoder: LLM2Vec, hint: str) -> Callable[[Sequence[str]], np.ndarray]:
    """A decoder as OpenVINO computes it, with mean pooling, batched as :meth:`LLM2Vec.encode` batches.

    Args:
        encoder: in the direction to be measured.
        hint: of OpenVINO for its inner numbers, "f32" or "bf16".
    """

    class States(torch.nn.Module):
        """A forward with tensors alone, as the converter wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state

    import openvino

    example = {name: torch.ones(2, 8, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        converted = openvino.convert_model(States().eval(), example_input=example)
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.compile_model(converted, "CPU", settings)

    def run(texts: Sequence[str]) -> np.ndarray:
        rows = encoder.tokenize(texts)
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i].input_ids))
        found = np.empty((len(rows), encoder.hidden_size), np.float32)
        for start in range(0, len(rows), BATCH_SIZE):
            group = order[start : start + BATCH_SIZE]
            longest = len(rows[group[0]].input_ids)
            ids, mask = np.zeros((2, len(group), longest), np.int64)
            for place, i in enumerate(group):
                ids[place, : len(rows[i].input_ids)] = rows[i].input_ids
                mask[place, : len(rows[i].input_ids)] = 1
            states = compiled({"input_ids": ids, "attention_mask": mask})[0]
            found[group] = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return found

    return run
