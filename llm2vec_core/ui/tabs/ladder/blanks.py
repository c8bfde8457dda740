"""What each rung expects in a blank, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil

from llm2vec_core.filling import Blank, ClozeScores
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.paint.base import Cell, figure_card
from llm2vec_core.ui.tabs.ladder.model import Filled


def filled_card(filled: Filled) -> str:
    """One column a rung, the likeliest tokens of each blank."""
    top = max(p.probability for _, blanks in filled.rows for blank in blanks for p in blank.predictions)
    columns = []
    rows: list[tuple[Cell, ...]] = []
    for choice, blanks in filled.rows:
        parts = [_answers(blank, number, len(blanks), choice, top) for number, blank in enumerate(blanks, start=1)]
        side = "sees only the left" if choice.direction == "causal" else "sees both sides"
        columns.append(
            f'<div class="l2v-ladder-fill" data-fill="{escape(choice.key)}"><h4 style="color:{choice.color}">{escape(choice.label)}</h4>'
            f'<span class="muted">{side}</span>{"".join(parts)}</div>'
        )
        for number, blank in enumerate(blanks, start=1):
            rows += [
                (choice.label, number, place, _word(p.token), p.probability)
                for place, p in enumerate(blank.predictions, 1)
            ]
            if blank.expected:
                rows.append(
                    (choice.label, number, blank.rank, f"{blank.expected.strip()} (asked for)", blank.probability)
                )
    return figure_card(
        "What each rung expects in the blank, with probabilities (…: it would go on the word before)",
        f'<div class="l2v-ladder-fills" id="ladder-fills" style="--columns:{ceil(len(columns) / ceil(len(columns) / 4))}">{"".join(columns)}</div>',
        name="fill-in-the-blank",
        notice=_notice(filled),
        columns=("encoder", "blank", "place", "token", "probability"),
        rows=rows,
    )


def _answers(blank: Blank, number: int, count: int, choice: EncoderOption, top: float) -> str:
    head = f'<p class="muted">blank {number}</p>' if count > 1 else ""
    lines = []
    for p in blank.predictions:
        own = blank.expected is not None and p.token == blank.expected
        lines.append(
            f'<li{" class=own" if own else ""}><span class="w">{escape(_word(p.token))}</span><span class="track"><span class="bar" style="width:{100 * p.probability / top:.1f}%;'
            f'background:{choice.color}"></span></span><span class="p">{p.probability:.1%}</span></li>'
        )
    asked = ""
    if blank.expected is not None:
        asked = (
            f'<p class="l2v-ladder-asked" data-rank="{blank.rank}" data-probability="{blank.probability:.6f}"><b>{escape(blank.expected.strip())}</b>: place {blank.rank:,}, '
            f"{blank.probability:.2%}</p>"
        )
    return f"{head}<ol>{''.join(lines)}</ol>{asked}"


def _word(token: str) -> str:
    """A token as people read it: what would end the word before it is no word.

    Example:
        >>> _word(" bank"), _word("rane"), _word(".")
        ('bank', '…rane', '.')
    """
    word = token.strip() or "␣"
    return word if token.startswith(" ") or not word[:1].isalnum() else f"…{word}"


def _notice(filled: Filled) -> str:
    found = {choice.key: (choice, blanks[0]) for choice, blanks in filled.rows}
    first = filled.rows[0]
    practised = found.get(filled.practised or "")
    opened = found.get(filled.opened or "")
    asked = first[1][0].expected
    if not asked or not practised or not opened:
        guess = _word(first[1][0].predictions[0].token)
        left = filled.text.split("_")[0].strip()
        seen = f"only “{escape(left[-60:])}”" if left else "nothing at all"
        note = (
            ""
            if asked or not filled.expected
            else " The word that you asked about is more than one token for this model, so it has no single place."
        )
        return f"{escape(first[0].label)} has seen {seen} and guesses “{escape(guess)}” first.{note}"
    numbers = [(choice, blank.probability or 0.0, blank.rank or 0) for choice, blank in (opened, practised)]
    (open_, was, place_was), (done, now, place_now) = numbers
    causal = first[1][0].probability or 0.0
    word = escape(asked.strip())
    opening = "raises" if was > causal else "does not raise"
    practice = "raises it further" if now > was and was > causal else "raises it" if now > was else "lowers it"
    return (
        f"“{word}”: opening the mask {opening} its probability ({causal:.1%} to {was:.1%}); {escape(done.label)} {practice}, to {now:.1%} "
        f"(place {place_was:,} under {escape(open_.label)}, place {place_now:,} now). One sentence proves little: the count below is over many."
    )


def cloze_card(rows: Sequence[tuple[EncoderOption, ClozeScores]], lower: Mapping[str, str | None]) -> str:
    """How often the hidden word is found, rung by rung.

    Args:
        rows: each rung with what it found.
        lower: by key, the rung that a rung is held against.
    """
    count = len(rows[0][1].ranks)
    top = max(found.within(10) for _, found in rows) or 1.0
    lines = "".join(
        f'<tr data-cloze="{escape(choice.key)}"><th scope="row" style="color:{choice.color}">{escape(choice.label)}</th><td><span class="track"><span class="bar" '
        f'style="width:{100 * found.within(5) / top:.1f}%;background:{choice.color}"></span></span></td><td class="v"><b>{found.within(5):.1%}</b></td>'
        f'<td class="v">{found.within(1):.1%}</td><td class="v">{found.log_probabilities.mean():.2f}</td></tr>'
        for choice, found in rows
    )
    best = max(rows, key=lambda row: float(row[1].log_probabilities.mean()))
    mean = {choice.key: float(found.log_probabilities.mean()) for choice, found in rows}
    worse = [escape(c.label) for c, _ in rows if lower.get(c.key) in mean and mean[c.key] < mean[lower[c.key]]]
    told = f"{escape(best[0].label)} finds hidden words best ({best[1].within(5):.1%} among its first five guesses)."
    told += (
        f" A step can unlearn it: {', '.join(worse)} {'finds' if len(worse) == 1 else 'find'} them less well than what it was made from."
        if worse
        else " Each rung finds them better than the one it was made from."
    )
    return figure_card(
        f"Not a chosen sentence: one hidden word in each of {count} passages",
        '<table class="l2v-ladder-cloze" id="ladder-cloze"><thead><tr><th scope="col">rung</th><td></td><th scope="col">in first 5</th><th scope="col">first</th>'
        f'<th scope="col">mean log p</th></tr></thead><tbody>{lines}</tbody></table><p class="muted">Hidden is the middlemost word of four or more letters that is one token. Log p: '
        "natural logarithm of the probability of the hidden word, closer to 0 is better.</p>",
        name="hidden-words",
        notice=told,
        columns=("encoder", "in first 5", "first", "mean log probability"),
        rows=[(c.label, f.within(5), f.within(1), float(f.log_probabilities.mean())) for c, f in rows],
        beside=True,
    )
