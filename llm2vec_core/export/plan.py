"""What an encoder's settings become in sentence-transformers, or why they cannot be said there.

sentence-transformers 6.2 pools with one ``Pooling`` module that knows a mode and whether the prompt's
tokens count. From its source, where it differs from us:

- ``weightedmean`` counts from the first token of the whole input, so behind a prompt that is left out the
  first pooled token weighs more than 1;
- nothing leaves out the begin token. ``WordWeights`` gives each token id a weight and ``Pooling`` divides
  by the sum of the weights, so next to no weight for the begin token is exact for ``mean`` (and an empty text is
  still its begin token); that sum includes the tokens of a prompt, so behind a prompt that is left out the length
  (not the direction) would differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import PreTrainedTokenizerBase

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import ExportError, InputError
from llm2vec_core.export.prompts import exported_tokenizer

if TYPE_CHECKING:
    from llm2vec_core.encoder import LLM2Vec

POOLING_NAMES = {"mean": "mean", "weighted_mean": "weightedmean", "last_token": "lasttoken", "first_token": "cls"}

# Why the flag is not enough, read in transformers 5.23. Whether it is was seen when the model was converted.
REBUILT_CAUSAL = {
    "stablelm": "its attention modules carry a causal flag of their own",
    "nemotron": "its attention modules carry a causal flag of their own",
    "gpt_neo": "its causal mask is a buffer that is built anew",
    "openai-gpt": "its causal mask is a buffer that is built anew",
    "mpt": "its mask function ignores the flag",
    "llama4": "its chunked layers see no further than their chunk",
    "llama4_text": "its chunked layers see no further than their chunk",
}


@dataclass(frozen=True)
class ExportPlan:
    """How an encoder is said in sentence-transformers.

    Attributes:
        pooling_mode: their name of the pooling mode.
        include_prompt: whether the prompt's tokens are pooled.
        begin_token_id: id of the begin token if it must weigh next to nothing, else None.
        prompts: by name, the exact string that stands in front of a text.
        tokenizer: a copy of the encoder's, prepared to be saved.
        normalize: whether embeddings have length 1.
        notes: what a user of the folder should know.
    """

    pooling_mode: str
    include_prompt: bool
    begin_token_id: int | None
    prompts: Mapping[str, str]
    tokenizer: PreTrainedTokenizerBase
    normalize: bool
    notes: tuple[str, ...]


def plan_export(encoder: LLM2Vec, instructions: Mapping[str, str], normalize: bool) -> ExportPlan:
    """Translate settings, or refuse with the reason and the way out. Nothing is written.

    Args:
        encoder: what is to be exported.
        instructions: by name, instructions as :meth:`LLM2Vec.encode` takes them.
        normalize: whether exported embeddings have length 1.

    Returns:
        The plan.

    Raises:
        InputError: if ``instructions`` is no mapping from names to strings.
        ExportError: if a setting or an instruction cannot be expressed.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> from llm2vec_core.presets import BUNDLED
        >>> plan = plan_export(LLM2Vec.from_pretrained(BUNDLED.base), {"query": "Find its twin:"}, False)
        >>> plan.pooling_mode, plan.include_prompt, plan.prompts["query"]
        ('mean', False, 'Find its twin: ')
    """
    check_arguments(plan_export, locals())
    for name, instruction in instructions.items():
        if not name:
            raise InputError(f"prompts must map names to instructions; got {name!r}: {instruction!r:.60}")
    _refuse_settings(encoder)
    begin = _begin_token_to_skip(encoder)
    prompts = {name: f"{text.strip()} " if text.strip() else "" for name, text in instructions.items()}
    prompts = {**encoder.settings.prompts, **prompts}
    has_prompts = any(prompts.values())
    _refuse_pooling(encoder, begin is not None, has_prompts, normalize)
    settings = encoder.settings
    only_last = settings.pooling_mode == "last_token"
    tokenizer, notes = exported_tokenizer(encoder, instructions)
    if settings.precision != "full":
        notes += (f"precision {settings.precision!r} is ours alone: the folder holds the unrounded weights",)
    if settings.doc_max_length is not None and settings.doc_max_length < settings.max_length:
        notes += (
            f"a text of more than {settings.doc_max_length} tokens is shortened to them here; "
            "sentence-transformers reads "
            f"{settings.max_length} of it",
        )
    return ExportPlan(
        pooling_mode=POOLING_NAMES[settings.pooling_mode],
        # The last token is the same whatever is left out in front of it, and theirs needs one that is not.
        include_prompt=only_last or not settings.skip_instruction,
        begin_token_id=None if only_last else begin,
        prompts=prompts,
        tokenizer=tokenizer,
        normalize=normalize,
        notes=notes,
    )


def _refuse_settings(encoder: LLM2Vec) -> None:
    settings = encoder.settings
    if settings.template is not None:
        raise ExportError(
            f"the template {settings.template!r} writes around each text, and sentence-transformers can only put a "
            "prompt in front: export with_settings(template=None), with the template's beginning as a prompt"
        )
    if settings.append_eos:
        raise ExportError(
            "append_eos writes an end token behind each text, and sentence-transformers can only put a "
            "prompt in front: "
            "export with_settings(append_eos=False)"
        )
    if encoder.conversion is not None and not encoder.conversion.survives_saving:
        model_type = encoder.model.config.model_type
        raise ExportError(
            f"{model_type} would not read bidirectionally in plain transformers: "
            f"{REBUILT_CAUSAL.get(model_type, 'the flag in its configuration is not enough')}. Use save_pretrained and "
            "LLM2Vec.from_pretrained for it, or export its causal reading"
        )
    if settings.pooling_mode not in POOLING_NAMES:
        raise ExportError(
            f"sentence-transformers has no pooling mode for {settings.pooling_mode!r}; "
            f"export one of {', '.join(POOLING_NAMES)}"
        )


def _begin_token_to_skip(encoder: LLM2Vec) -> int | None:
    """The begin token's id, if this encoder reads one and leaves it out of pooling."""
    (row,) = encoder.tokenize(["a river"])
    return row.input_ids[0] if row.pooling_start == 1 else None


def _refuse_pooling(encoder: LLM2Vec, skips_begin: bool, has_prompts: bool, normalize: bool) -> None:
    settings = encoder.settings
    mode = settings.pooling_mode
    leaves_prompt_out = has_prompts and settings.skip_instruction
    if mode == "weighted_mean" and leaves_prompt_out:
        raise ExportError(
            "weighted_mean behind an instruction that is left out: sentence-transformers counts the weights from the "
            "instruction's first token, we from the text's; export with skip_instruction=False, another pooling "
            "mode, or without prompts"
        )
    if not skips_begin:
        return
    if mode in ("weighted_mean", "first_token"):
        raise ExportError(
            f"skip_begin_token with {mode}: sentence-transformers always pools the begin token there; "
            "export with skip_begin_token=False or pooling_mode 'mean'"
        )
    if mode == "mean" and leaves_prompt_out and not normalize:
        raise ExportError(
            "skip_begin_token with prompts: sentence-transformers would divide by the prompt's tokens as well, which "
            "changes an embedding's length (not its direction); export with normalize=True or skip_begin_token=False"
        )
    (row,) = encoder.tokenize(["a river"])
    if row.input_ids[0] in row.input_ids[1:]:
        raise ExportError(
            "skip_begin_token: this tokenizer ends a text with its begin token, and sentence-transformers could only "
            "leave both out; export with skip_begin_token=False"
        )
