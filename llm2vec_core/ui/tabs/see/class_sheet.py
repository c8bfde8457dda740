# ruff: noqa: E501 (prose)
"""The teacher's sheet, ``assets/docs/CLASS.md``: the lesson's questions with the answers that the page computes.

``python -m llm2vec_core.ui.tabs.see.class_sheet`` writes it anew, from the model and the sentences that the page opens with.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from llm2vec_core.presets import ASSETS, SMOLLM2, ModelPreset
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.opening import PAIR
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see.model import checked_pair
from llm2vec_core.ui.tabs.see.spine import STEPS, Shown, show

SHEET = ASSETS / "docs" / "CLASS.md"
# Minutes of each step, with its question and its discussion; they leave ten for the search at the end and for questions.
MINUTES = (5, 4, 5, 4, 6, 4, 4, 3)

HEAD = """# A 45-minute class: why does bidirectional attention matter for embeddings?

For anyone who has heard of word vectors. No programming, no account: the page runs in a browser (`make app`, or a hosted
one). *Present* at the top of the page sets everything in large type; `&present=1` in an address does the same.

**Aims.** Afterwards the class can say (1) what a causal mask hides from a word, (2) why the vectors of a shared beginning are
identical under it, (3) what opening the mask breaks, and what mends it, (4) why a cosine needs something to compare it with.

**How.** Each step has a question. Let everyone write down an answer before anyone presses a button; then take a vote, press, and
discuss. The answers below are what {model} gives for the two sentences that the page opens with:

- Sentence A: *{a}*
- Sentence B: *{b}*

With sentences of your own, steps 1 to 4 and 8 have other answers, which the page computes; steps 5 to 7 judge the model by
labelled pairs, which stay the same.

| minutes | step | add this to the page's address |
|---|---|---|
"""

TAIL = """
## The last ten minutes

- Everyone finds two sentences with the same beginning for which the shared word's cosine falls furthest below 1 once the mask is
  open. Record: ____
- *Search*: a question in words that the texts do not use. Which encoder finds the answer, and at which rank?
- *Train*: start a short run, and watch what happens to pairs that were not trained on.

## What to take home

- A causal model cannot know what follows. That is not a defect: it is how it learns to predict.
- Opening the mask is free, and on most language models it does harm until the weights have practised using both sides.
- Similar compared with what? A cosine says something only next to the cosines of other pairs.
- Studies do not agree on how much bidirectional attention itself contributes; echo embeddings and prompts get part of the
  way without it. The README's table has the numbers for both models.
"""


def class_sheet(preset: ModelPreset = SMOLLM2) -> str:
    """The sheet as Markdown.

    Args:
        preset: the model that answers; it has to be on this machine.
    """
    context = AppContext(preset)
    pair = checked_pair(context, Session(preset.key), PAIR.a, PAIR.b, preset.default.key)
    shown = [show(pair, number) for number in range(1, len(STEPS) + 1)]
    lines = [HEAD.format(model=preset.label, a=PAIR.a, b=PAIR.b)]
    lines += [
        f"| {minutes} | {each.number}. {each.step.title} | `?{urlencode({'tab': 'see', 'see_step': each.number})}` |\n"
        for minutes, each in zip(MINUTES, shown, strict=True)
    ]
    lines += [_step(each) for each in shown]
    return "".join([*lines, TAIL])


def _step(shown: Shown) -> str:
    question = shown.finding.question
    lines = [f"\n## {shown.number}. {shown.step.title}\n"]
    if question:
        options = "\n".join(f"- {option}" for option in question.options)
        lines.append(f"\n**Before you press:** {_plain(question.text)}\n\n{options}\n")
        lines.append(f"\n**Answer:** {question.options[question.answer]}.")
    if shown.finding.headline:
        lines.append(f" *{shown.finding.headline}.*")
    lines.append(f" {_plain(shown.finding.sentence)}\n")
    lines += [
        f"\n{hits.encoder.label}:\n\n" + "".join(f"1. {text}\n" for text in hits.texts) for hits in shown.finding.hits
    ]
    return "".join(lines)


def _plain(html: str) -> str:
    """Markup as Markdown.

    Example:
        >>> _plain("<b>1.000</b> of <em>bank</em>")
        '**1.000** of *bank*'
    """
    return re.sub(r"</?b>", "**", re.sub(r"</?em>", "*", str(html)))


if __name__ == "__main__":
    SHEET.write_text(class_sheet(), encoding="utf-8")
