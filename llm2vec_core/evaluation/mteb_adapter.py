"""An encoder as mteb takes one, so that any of its tasks evaluates us.

mteb hands over batches of texts with the task's metadata and wants an array back. Which instruction a
task gets is the user's choice alone: a dictionary, empty by default. Documents of a retrieval task get
none, as in the published LLM2Vec, unless a key names them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import InputError
from llm2vec_core.extras import require

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.model_meta import ModelMeta
    from mteb.types import PromptType

    from llm2vec_core.encoder import LLM2Vec

PROBE = "The bank of the river was steep and muddy."


class MTEBEncoder:
    """What :func:`as_mteb_encoder` returns; implements ``mteb.models.EncoderProtocol``.

    Attributes:
        encoder: whose embeddings are evaluated.
        instructions: by task name or type, with or without "-query" or "-document".
        mteb_model_meta: name, revision, sizes; mteb files results under the first two.
    """

    def __init__(self, encoder: LLM2Vec, instructions: Mapping[str, str], meta: ModelMeta) -> None:
        self.encoder = encoder
        self.instructions = dict(instructions)
        self.mteb_model_meta = meta

    def instruction_for(self, task_metadata: TaskMetadata, prompt_type: PromptType | None = None) -> str | None:
        """The instruction that a task's texts get: to try one's dictionary before a long run.

        The most particular key wins: "Task-query", "Task", "Type-query", "Type". A document only
        listens to the keys that end in "-document".
        """
        kind = str(getattr(prompt_type, "value", prompt_type)) if prompt_type else None
        for name in (task_metadata.name, task_metadata.type):
            keys = [f"{name}-{kind}"] if kind else []
            if kind != "document":
                keys.append(str(name))
            for key in keys:
                if key in self.instructions:
                    return self.instructions[key]
        return None

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: TaskMetadata,
        hf_split: str = "test",
        hf_subset: str = "default",
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """Embed the texts of all batches.

        Args:
            inputs: batches with a list of strings under "text", as mteb's data loader yields them.
            task_metadata: decides on the instruction, with ``prompt_type``.
            hf_split: not needed.
            hf_subset: not needed.
            prompt_type: "query", "document" or None.
            **kwargs: mteb's batch size and progress bar, not needed: batches are filled by tokens here.

        Returns:
            float32 of shape (texts, hidden).

        Raises:
            InputError: if a batch holds no texts (images, audio).
        """
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise InputError(f"{task_metadata.name} has {', '.join(batch)} and no text; this is a text encoder")
            texts.extend(batch["text"])
        return self.encoder.encode(texts, self.instruction_for(task_metadata, prompt_type))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """Cosine of each of the first with each of the second: (n, hidden), (m, hidden) -> (n, m)."""
        return _unit(embeddings1) @ _unit(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """Cosine row by row: (n, hidden), (n, hidden) -> (n,)."""
        return (_unit(embeddings1) * _unit(embeddings2)).sum(dim=-1)


def as_mteb_encoder(
    encoder: LLM2Vec,
    *,
    instructions: Mapping[str, str] | None = None,
    name: str | None = None,
    revision: str | None = None,
) -> MTEBEncoder:
    """Wrap an encoder for ``mteb.evaluate``.

    Args:
        encoder: whose embeddings are evaluated.
        instructions: by task name ("STS12") or task type ("Retrieval"): what stands in front of its
            texts; in a retrieval task of its queries only. "STS12-query", "Retrieval-document" and the
            like are more particular.
        name: under which mteb files results, "maker/model"; by default made from the encoder's name.
        revision: likewise. mteb takes results from its cache by name and revision, so by default it is
            a fingerprint of one embedding, the settings and the instructions: another adapter or
            pooling never gets the first one's results.

    Returns:
        An object for ``mteb.evaluate(it, tasks)``.

    Raises:
        InputError: if ``instructions`` is no mapping from strings to strings.
        MissingPackageError: if mteb is not installed.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> from llm2vec_core.presets import BUNDLED
        >>> model = as_mteb_encoder(LLM2Vec.from_pretrained(BUNDLED.base), instructions={"STS": "Find its twin:"})
        >>> model.mteb_model_meta.name, model.mteb_model_meta.embed_dim
        ('llm2vec_core/llm2vec-mini', 384)
    """
    check_arguments(as_mteb_encoder, locals())
    instructions = instructions or {}
    for key, instruction in instructions.items():
        if not (isinstance(key, str) and isinstance(instruction, str)):
            raise InputError(f"instructions must map task names or types to strings; got {key!r}: {instruction!r:.60}")
    require("mteb", "mteb", what="an encoder for mteb")
    from mteb.models.model_meta import ModelMeta, ScoringFunction

    meta = ModelMeta.create_empty(
        {
            "name": name or _filed_under(encoder.name),
            "revision": revision or _fingerprint(encoder, instructions),
            "embed_dim": encoder.hidden_size,
            "max_tokens": encoder.settings.max_length,
            "n_parameters": sum(tensor.numel() for tensor in encoder.model.parameters()),
            "framework": ["PyTorch"],
            "similarity_fn_name": ScoringFunction.COSINE,
            "use_instructions": bool(instructions),
        }
    )
    return MTEBEncoder(encoder, instructions, meta)


def _filed_under(name: str) -> str:
    is_hub_id = name.count("/") == 1 and not name.startswith(("/", "."))
    return name if is_hub_id else f"llm2vec_core/{PurePath(name).name}"


def _fingerprint(encoder: LLM2Vec, instructions: Mapping[str, str]) -> str:
    probe = encoder.encode([PROBE])[0]
    # Rounded: threads and batch shapes move the last digits. Adding 0.0 makes -0.0 the same as 0.0.
    probe = np.round(probe / np.abs(probe).max(), 3) + 0.0
    told = repr((encoder.settings, sorted(instructions.items())))
    return hashlib.sha256(probe.tobytes() + told.encode()).hexdigest()[:12]


def _unit(embeddings: Any) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.as_tensor(embeddings).float(), dim=-1)
