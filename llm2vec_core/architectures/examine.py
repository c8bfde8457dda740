"""Convert a tiny model of a type and look at what it then does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from transformers import AutoModel, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from llm2vec_core.architectures.tiny import VOCABULARY, quiet, tiny_model
from llm2vec_core.bidirectional import make_bidirectional, prefix_test
from llm2vec_core.errors import ConversionError, InputError

Verdict = Literal["converted", "refused", "out of scope"]

_REASONS = {
    "encoder-only: it reads in both directions as it is; load it with sentence-transformers": (
        *("bert", "bert-generation", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert"),
        *("reformer", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm", "xlm-roberta"),
        *("xlm-roberta-xl", "xlnet", "xmod"),
    ),
    "encoder-decoder: its decoder waits for an encoder's output": (
        *("bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "marian", "mbart", "musicgen"),
        *("musicgen_melody", "mvp", "pegasus", "plbart", "prophetnet", "trocr", "whisper"),
    ),
    "draft model: it reads the keys and values of the model that it drafts for": (
        *("gemma4_assistant", "gemma4_unified_assistant"),
    ),
}
OUT_OF_SCOPE: Mapping[str, str] = {name: reason for reason, names in _REASONS.items() for name in names}


@dataclass(frozen=True)
class Examination:
    """What happened when a tiny random model of a type was to be made bidirectional.

    Attributes:
        model_type: as in ``config.json``.
        verdict: "converted", "refused" or "out of scope".
        text_type: the type of the text tower that was tried, if the type is a composite one.
        layer_types: the kind of each layer of the tiny model, as its configuration names them.
        layers: how many layers it has.
        attention: the attention implementation that transformers chooses for it, "sdpa" or "eager".
        was_causal: whether it reads from left to right as it is shipped.
        rung: the last rung of the ladder that was needed, 1 to 4.
        left_padding_needs_positions: with padding on the left, its vectors are those of the unpadded text
            only if ``position_ids`` are given.
        survives_saving: a plain ``AutoModel.from_pretrained`` of a saved folder gives the same vectors.
        reason: why it was refused or not tried, in a word or two.
        message: the same in full.
        checks: what was looked at, by name, and whether it held.
    """

    model_type: str
    verdict: Verdict
    text_type: str = ""
    layer_types: tuple[str, ...] = ()
    layers: int = 0
    attention: str = ""
    was_causal: bool = True
    rung: int = 0
    left_padding_needs_positions: bool = False
    survives_saving: bool = False
    reason: str = ""
    message: str = ""
    checks: Mapping[str, bool] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that did not hold."""
        return tuple(name for name, held in self.checks.items() if not held)


def causal_lm_types() -> tuple[str, ...]:
    """Every type of the installed transformers' causal-LM mapping, in alphabetical order."""
    return tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))


def examine(model_type: str) -> Examination:
    """Try out whether a type becomes bidirectional, on a tiny random model of it.

    Takes about a tenth of a second.

    Args:
        model_type: as in ``config.json``, such as "llama".

    Returns:
        What was seen.

    Raises:
        InputError: if the installed transformers has no causal language model of that type.

    Example:
        >>> seen = examine("mistral")
        >>> seen.verdict, seen.attention, seen.rung, seen.survives_saving, seen.failed
        ('converted', 'sdpa', 1, True, ())
        >>> examine("mamba").reason
        'recurrent'
    """
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise InputError(
            f"{model_type!r} is no causal-LM type of the installed transformers; "
            "llm2vec_core.architectures.causal_lm_types() lists them"
        )
    if model_type in OUT_OF_SCOPE:
        message = OUT_OF_SCOPE[model_type]
        return Examination(model_type, "out of scope", reason=message.split(":")[0], message=message)
    with quiet():
        return _try_out(model_type, tiny_model(model_type))


def _try_out(model_type: str, model: PreTrainedModel) -> Examination:
    config = model.config
    was_causal = prefix_test(model).is_causal
    known = {
        "was_causal": was_causal,
        "model_type": model_type,
        "text_type": config.model_type if config.model_type != model_type else "",
        "layer_types": tuple(getattr(config, "layer_types", None) or ()),
        "layers": config.num_hidden_layers if hasattr(config, "num_hidden_layers") else 0,
        "attention": config._attn_implementation,
    }
    before = _all_states(model)
    try:
        conversion = make_bidirectional(model)
    except ConversionError as error:
        checks = {"left as it was": _equal(before, _all_states(model))}
        return Examination(**known, verdict="refused", reason=error.reason, message=str(error), checks=checks)
    text = _Text(model)
    mask_is_enough = text.left_padded_equals_alone(positions=False)
    checks = {
        "causal before": was_causal,
        "every layer bidirectional": prefix_test(model).is_bidirectional,
        "far tokens reach the first layer's first half": text.far_end_is_seen(),
        "no mask equals a mask of ones": text.no_mask_equals_ones(),
        "right padding changes nothing": text.right_padded_equals_alone(),
        "left padding changes nothing": mask_is_enough or text.left_padded_equals_alone(positions=True),
        "a plain reload does what was foretold": _plain_reload_agrees(model) == conversion.survives_saving,
    }
    opened = _all_states(model)
    conversion.undo()
    checks["undo is exact"] = _equal(before, _all_states(model)) and not _equal(before, opened)
    return Examination(
        **known,
        verdict="converted",
        rung=conversion.rung,
        left_padding_needs_positions=not mask_is_enough,
        survives_saving=conversion.survives_saving,
        checks=checks,
    )


LENGTH = 11
PADDING = 4
_TOLERANCE = 1e-4


class _Text:
    """A text of eleven tokens, longer than the tiny models' windows, read by one model in several ways."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        generator = torch.Generator().manual_seed(0)
        # Ids 0 to 2 are the padding, begin and end token.
        self._ids = torch.randint(3, VOCABULARY, (1, LENGTH), generator=generator)
        self._pads = torch.zeros(1, PADDING, dtype=torch.long)
        self._ones = torch.ones_like(self._ids)
        self._alone = self._read(self._ids, self._ones)

    def no_mask_equals_ones(self) -> bool:
        return _close(self._read(self._ids, None), self._alone)

    def right_padded_equals_alone(self) -> bool:
        ids, mask = torch.cat([self._ids, self._pads], 1), torch.cat([self._ones, self._pads], 1)
        return _close(self._read(ids, mask)[:, :LENGTH], self._alone)

    def left_padded_equals_alone(self, *, positions: bool) -> bool:
        ids, mask = torch.cat([self._pads, self._ids], 1), torch.cat([self._pads, self._ones], 1)
        extra = {"position_ids": (mask.cumsum(1) - 1).clamp_min(0)} if positions else {}
        return _close(self._read(ids, mask, **extra)[:, PADDING:], self._alone)

    def far_end_is_seen(self) -> bool:
        changed = self._ids.clone()
        changed[0, -1] = 3 if int(changed[0, -1]) != 3 else 4
        moved = (self._read(changed, self._ones) - self._alone).abs().amax(dim=-1)[0]
        return bool((moved > 0).all())

    def _read(self, ids: torch.Tensor, mask: torch.Tensor | None, **extra: torch.Tensor) -> torch.Tensor:
        return _states(self._model, ids, mask, **extra)


@torch.no_grad()
def _states(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor | None, **extra: torch.Tensor
) -> torch.Tensor:
    output = model(input_ids=ids, attention_mask=mask, use_cache=False, **extra)
    return output.last_hidden_state


def _all_states(model: PreTrainedModel) -> list[torch.Tensor]:
    # A batch of two with padding, and a text alone without a mask.
    ids = torch.arange(3, 3 + 2 * LENGTH).reshape(2, LENGTH)
    mask = torch.ones_like(ids)
    mask[1, LENGTH - PADDING :] = 0
    padded = _states(model, ids, mask)
    return [padded[0], padded[1, : LENGTH - PADDING], _states(model, ids[:1], None)[0]]


def _equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    distance = (a - b).norm(dim=-1) / b.norm(dim=-1)
    return bool((distance <= _TOLERANCE).all())


def _plain_reload_agrees(model: PreTrainedModel) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loader = AutoModel if type(model.config) in AutoModel._model_mapping else type(model)
        plain = loader.from_pretrained(folder)
    try:
        return all(_close(a, b) for a, b in zip(_all_states(plain.eval()), _all_states(model), strict=True))
    except (TypeError, AttributeError):  # mpt and modernbert-decoder crash on the mask that they build
        return False
