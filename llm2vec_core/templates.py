"""What is written around a text before a model reads it: chat templates, echoes, prompts.

A template is a string with ``{text}`` in it once or twice and, if an instruction has its place, with
``{instruction}``. A new one is a new entry of :data:`TEMPLATES`. The visitor's text is joined in and never
parsed, so nothing in it can act as a template.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm2vec_core.errors import InputError

TEXT, INSTRUCTION = "{text}", "{instruction}"


@dataclass(frozen=True)
class TextTemplate:
    """Something to wrap a text in.

    Attributes:
        form: contains ``{text}`` once or twice, ``{instruction}`` at most once and before it.
        pool_tail: whether what stands behind the last copy of the text is pooled with it; what stands
            before it never is (unless ``skip_instruction`` is off).
        meaning: one sentence for newcomers.
        instruction_form: what is written around an instruction, where there is one.

    Raises:
        InputError: if the form has no place for the text, or more than two.
    """

    form: str
    pool_tail: bool
    meaning: str
    instruction_form: str = INSTRUCTION

    def __post_init__(self) -> None:
        copies = self.form.count(TEXT)
        if copies not in (1, 2) or self.form.count(INSTRUCTION) > 1:
            raise InputError(
                f"a template needs {TEXT} once or twice and {INSTRUCTION} at most once; {self.form!r:.80} does not fit"
            )

    @property
    def copies(self) -> int:
        """How often the text stands in it."""
        return self.form.count(TEXT)

    @property
    def has_tail(self) -> bool:
        """Whether anything stands behind the text."""
        return not self.form.endswith(TEXT)

    def fill(self, text: str, instruction: str = "", suffix: str = "") -> tuple[str, int, int]:
        """Write a text into the template.

        Args:
            text: the text.
            instruction: takes the place of ``{instruction}``; goes in front if the form has none.
            suffix: put behind everything (an end token, say).

        Returns:
            The string, and where the last copy of the text starts and ends in it, in characters.

        Example:
            >>> TEMPLATES["mistral-instruct"].fill("river", "Find: ")
            ('[INST] Find: river [/INST]', 13, 18)
        """
        if instruction and self.instruction_form != INSTRUCTION:
            instruction = self.instruction_form.replace(INSTRUCTION, instruction.strip())
        form = self.form if INSTRUCTION in self.form else INSTRUCTION + self.form
        pieces = [piece.replace(INSTRUCTION, instruction) for piece in form.split(TEXT)]
        head = text.join(pieces[:-1])
        return head + text + pieces[-1] + suffix, len(head), len(head) + len(text)


PLAIN = TextTemplate("{instruction}{text}", True, "The text as it is, behind its instruction if there is one.")

# The first three are what the published LLM2Vec package writes around a text for these families of models (its outputs
# are the tests' oracle); the next two follow the same shape.
TEMPLATES: dict[str, TextTemplate] = {
    "llama-2-chat": TextTemplate("[INST] {instruction}{text} [/INST]", True, "The chat form of Llama-2-chat."),
    "mistral-instruct": TextTemplate("[INST] {instruction}{text} [/INST]", True, "The chat form of Mistral-Instruct."),
    "llama-3-instruct": TextTemplate(
        "<|start_header_id|>user<|end_header_id|>\n\n{instruction}{text}<|eot_id|>",
        True,
        "The chat form of Llama-3-Instruct.",
    ),
    "gemma-instruct": TextTemplate(
        "<start_of_turn>user\n{instruction}{text}<end_of_turn>", True, "The chat form of Gemma's instruct models."
    ),
    "gemma-2-instruct": TextTemplate(
        "<bos><start_of_turn>user\n{instruction}{text}<end_of_turn>",
        True,
        "The same as the published LLM2Vec package writes it: with a begin token of its own behind the tokenizer's.",
    ),
    "qwen-instruct": TextTemplate(
        "<|im_start|>user\n{instruction}{text}<|im_end|>", True, "The chat form of Qwen's instruct models."
    ),
    # Muennighoff et al., 2024 (arXiv 2402.09906): the instruction is the user's turn, the text is what is embedded.
    "gritlm": TextTemplate(
        "{instruction}<|embed|>\n{text}",
        True,
        "The form of GritLM: the instruction as the user's turn, then the text.",
        instruction_form="<|user|>\n{instruction}\n",
    ),
    # Springer et al., 2024 (arXiv 2402.15449): when a causal model reads a text for the second time, each of its
    # tokens has seen the whole text once. Only the second copy is pooled.
    "echo": TextTemplate(
        "{instruction}Repeat the sentence: {text}\nThe sentence again: {text}",
        False,
        "The text stands there twice and only the second copy is pooled: each of its tokens has already seen "
        "all of it.",
    ),
    # Jiang et al., 2023 (PromptEOL, arXiv 2307.16645): the last token's vector is about to say the text in one word.
    # Published with quotes around the text, which small tokenizers join to its full stop (`."` is one token): on the
    # bundled model the quotes cost 21 points of STS.
    "prompt": TextTemplate(
        "{instruction}This sentence: {text} means in one word:",
        True,
        "A question that the model is about to answer with one word; meant for last-token pooling.",
    ),
    "prompt-quoted": TextTemplate(
        '{instruction}This sentence: "{text}" means in one word: "',
        True,
        "The same question as it was published, with quotes.",
    ),
}


def find_template(name: str | None) -> TextTemplate:
    """The template of this name; the plain one for None.

    Raises:
        InputError: for an unknown name.

    Example:
        >>> find_template(None) is PLAIN
        True
    """
    if name is None:
        return PLAIN
    if name not in TEMPLATES:
        raise InputError(f"unknown template {name!r}; choose one of {', '.join(TEMPLATES)}")
    return TEMPLATES[name]
