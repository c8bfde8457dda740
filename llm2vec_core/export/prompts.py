"""Which tokens sentence-transformers takes for the prompt, and a tokenizer with which it takes ours.

sentence-transformers 6.2 tokenises the prompt alone, counts its tokens and leaves as many out of every
text's pooling (``Transformer._get_prompt_length``). Our prompt ends with the blank in front of the text.
In most tokenizers that blank joins the text's first word ("Ġbank"), but stands alone at the end of a
lone prompt ("Ġ"): counted so, each text would lose its first token.

The count leaves out a last token that is *special*. So where it helps, the exported tokenizer names the
lone blank among its special tokens: a token that it had already, which no text is read differently for
(but one in which the blank's symbol, "Ġ" or "▁", itself stands as a word).

One count for all texts cannot be right where the blank joins some beginnings and not others (digits in
Llama 3, Chinese characters in most): those are tried out, and told in a note.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from llm2vec_core.batching import pad_token_id, prompt_length
from llm2vec_core.errors import ExportError

if TYPE_CHECKING:
    from llm2vec_core.encoder import LLM2Vec

LETTER = "a letter"
BEGINNINGS = {
    LETTER: ("The river rose.", "a river bank", "What is it?", "how far"),
    "a digit": ("5 apples", "42"),
    "a bracket or a quotation mark": ("(so it is)", '"Yes."'),
    "a Chinese or Japanese character": ("河岸", "の川"),
    "a Cyrillic or Arabic letter": ("река", "نهر"),
    "white space": (" river", "\nriver"),
}
# Stands for prompts that a user of the folder may write one day, where none is given.
ANY_INSTRUCTION = "Represent this sentence for retrieval:"


def exported_tokenizer(
    encoder: LLM2Vec, instructions: Mapping[str, str]
) -> tuple[PreTrainedTokenizerBase, tuple[str, ...]]:
    """A copy of the encoder's tokenizer under which sentence-transformers pools the tokens that we pool.

    Args:
        encoder: what is to be exported.
        instructions: by name, as :meth:`LLM2Vec.encode` takes them.

    Returns:
        The copy, and notes on texts for which the count is off nevertheless.

    Raises:
        ExportError: if it would be off for texts that begin with a letter.
    """
    tokenizer = _plain_copy(encoder)
    settings = encoder.settings
    if encoder.prompts and not instructions:
        return tokenizer, ()  # stored prompts are counted there as they are here
    if not settings.skip_instruction or settings.pooling_mode == "last_token":
        return tokenizer, ()  # where the text begins does not matter
    if not any(text.strip() for text in instructions.values()) and not _fits(encoder, ANY_INSTRUCTION):
        return tokenizer, ()
    given = {name: text.strip() for name, text in instructions.items() if text.strip()}
    asked = given or {"any": ANY_INSTRUCTION}
    best, wrong = min(
        ((candidate, _wrong_beginnings(encoder, candidate, asked)) for candidate in _candidates(tokenizer, asked)),
        key=lambda found: (LETTER in found[1], len(found[1])),
    )
    if given and LETTER in wrong:
        raise ExportError(
            f"behind the prompt {wrong[LETTER]!r} sentence-transformers would pool other tokens than we do: it leaves "
            "out one number of tokens for all texts, and this tokenizer joins the blank in front of a text with some "
            "words and not with others; export with skip_instruction=False, pooling_mode 'last_token' or no prompts"
        )
    if not wrong:
        return best, ()
    note = (
        f"behind a prompt, a text that begins with {' or '.join(wrong)} may pool one token more or less than here: "
        "the blank in front of it is a token of its own, and sentence-transformers leaves out one number of tokens "
        "for all texts"
    )
    return best, (note,)


def _plain_copy(encoder: LLM2Vec) -> PreTrainedTokenizerBase:
    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    tokenizer.model_max_length = encoder.settings.max_length
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_token_id(tokenizer))
    return tokenizer


def _candidates(tokenizer: PreTrainedTokenizerBase, asked: Mapping[str, str]) -> list[PreTrainedTokenizerBase]:
    candidates = [tokenizer]
    last = tokenizer(f"{next(iter(asked.values()))} ")["input_ids"][-1]
    if last not in tokenizer.all_special_ids and not tokenizer.decode([last]).strip():
        named = copy.deepcopy(tokenizer)
        # A single word: not inside one, such as the Maltese "Ġorġ".
        blank = AddedToken(tokenizer.convert_ids_to_tokens(last), single_word=True, normalized=False, special=True)
        named.add_special_tokens({"additional_special_tokens": [blank]}, replace_extra_special_tokens=False)
        candidates.append(named)
    return candidates


def _fits(encoder: LLM2Vec, instruction: str) -> bool:
    return len(encoder.tokenizer(instruction, verbose=False)["input_ids"]) + 2 <= encoder.settings.max_length


def _wrong_beginnings(encoder: LLM2Vec, tokenizer: PreTrainedTokenizerBase, asked: Mapping[str, str]) -> dict[str, str]:
    """Kinds of beginnings at which the count is off, each with an instruction for which it is."""
    wrong: dict[str, str] = {}
    for instruction in asked.values():
        count = prompt_length(tokenizer, f"{instruction} ")
        for beginning, texts in BEGINNINGS.items():
            if any(row.pooling_start != count for row in encoder.tokenize(texts, instruction)):
                wrong.setdefault(beginning, instruction)
    return wrong
