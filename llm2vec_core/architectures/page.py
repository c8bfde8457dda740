"""The page ``assets/docs/ARCHITECTURES.md``, written from what :func:`examine` sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import transformers

from llm2vec_core.architectures.examine import Examination
from llm2vec_core.presets import ASSETS

PAGE = ASSETS / "docs" / "ARCHITECTURES.md"

_INTRODUCTION = """# Which models become text encoders

A decoder-only language model reads from left to right: a token's vector cannot depend on what comes after it. LLM2Vec
opens the attention in both directions. Whether that works depends on the architecture, and a flag in a config proves
nothing. So this list is measured: for **each of the {total} causal-LM types of transformers {version}** a tiny
random model was built, converted and tested. `python -m llm2vec_core.architectures` repeats this and rewrites the page;
the tests repeat it on every run.

| | types |
|---|---:|
| become bidirectional | {converted} |
| &nbsp;&nbsp;of these, a saved folder needs none of our code | {plain} |
| refused, with the reason | {refused} |
| out of scope (encoders, encoder-decoders, draft models) | {out} |

## What was tested

*Converted* means that this holds: the model was causal before; in **every single layer** earlier tokens see later
ones; the end of a text is visible despite sliding windows (which are removed unless you keep them); with a mask that
lets each token see only itself, nothing passes between tokens, so nothing bypasses attention; no mask, a mask of ones,
padding on the right and padding on the left all give the vectors of the unpadded text; undoing the conversion restores
every bit. Everything else is *refused*, and the model is left unchanged. For a vision-language type, the text tower was
tested.

## How to read the table

- **Layers tested**: each kind of layer. `indexed` layers select which tokens they attend to; after conversion
  they select from both sides.
- **Attention**: the implementation that transformers picks by default; `eager` where there is no faster one.
- **Rung**: how many measures the conversion needs. 1: the flag `is_causal` in the config. 2: the same flag on the
  attention modules. 3: a triangular mask kept as a tensor. 4: an explicit open mask handed to the model.
- **Left padding**: "mask" if the attention mask is enough, "positions" if `position_ids` must be given too. Padding on
  the right, which this package uses, never needs them.
- **Plain reload**: whether `AutoModel.from_pretrained` on a saved folder gives the same vectors without this package.
  Where it does not, use `LLM2Vec.from_pretrained`.
"""

_CONVERTED_HEAD = """## Become bidirectional

| Type | Tested as | Layers tested | Attention | Rung | Left padding | Plain reload |
|---|---|---|---|:---:|---|:---:|"""

_REFUSED_HEAD = """## Refused

- **recurrent**: no layer has an attention mask that could be opened.
- **hybrid**: some layers, or a branch in each layer, are recurrences or convolutions. Attention opens, but they
  still read left to right. End to end such a model *looks* bidirectional, which is why each layer is tested alone.
- **own causality**: attention that decides by its own rules which tokens see which, whatever the mask says.

| Type | Tested as | Why | What the tiny model showed |
|---|---|---|---|"""

_OUT_HEAD = """## Out of scope

| Type | Why |
|---|---|"""


def row(seen: Examination) -> str:
    """The line of one type in its table.

    Example:
        >>> from llm2vec_core.architectures import examine
        >>> row(examine("bert"))
        '| `bert` | encoder-only: it reads in both directions as it is; load it with sentence-transformers |'
    """
    if seen.verdict == "out of scope":
        return _line(f"`{seen.model_type}`", seen.message)
    tower = f"`{seen.text_type}`" if seen.text_type else ""
    if seen.verdict == "refused":
        return _line(f"`{seen.model_type}`", tower, seen.reason, _in_words(seen))
    padding = "positions" if seen.left_padding_needs_positions else "mask"
    plain = "yes" if seen.survives_saving else "**no**"
    return _line(f"`{seen.model_type}`", tower, _layers(seen), seen.attention, str(seen.rung), padding, plain)


def page(examinations: Sequence[Examination]) -> str:
    """The whole page.

    Args:
        examinations: of every type, in the order in which they are to stand.

    Raises:
        ValueError: if a check of a type did not hold; the page would not tell the truth.
    """
    failed = {seen.model_type: seen.failed for seen in examinations if seen.failed}
    if failed:
        raise ValueError(f"these types did not keep what their verdict says: {failed}")
    counts = Counter(seen.verdict for seen in examinations)
    introduction = _INTRODUCTION.format(
        total=len(examinations),
        version=transformers.__version__,
        converted=counts["converted"],
        plain=sum(seen.survives_saving for seen in examinations),
        refused=counts["refused"],
        out=counts["out of scope"],
    )
    tables = [
        "\n".join([head, *(row(seen) for seen in examinations if seen.verdict == verdict)])
        for head, verdict in ((_CONVERTED_HEAD, "converted"), (_REFUSED_HEAD, "refused"), (_OUT_HEAD, "out of scope"))
    ]
    return "\n\n".join([introduction.strip(), *tables]) + "\n"


def _layers(seen: Examination) -> str:
    if not seen.layer_types:
        return str(seen.layers)
    kinds = Counter(kind.removesuffix("_attention") for kind in seen.layer_types)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _in_words(seen: Examination) -> str:
    # The first sentence, less what the other cells say; the rest stands once, above the table.
    words = seen.message.partition("cannot be made bidirectional: ")[2].removeprefix(f"{seen.reason}: ")
    shipped = "" if seen.was_causal else "; as shipped it reads in both directions already"
    return words.partition(". ")[0].removesuffix(".") + shipped


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
