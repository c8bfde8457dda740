"""Charts of this tab, as SVG. Both states of the switch are drawn at once; ``tab.css`` shows one of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from llm2vec_core.charts.svg import circle, element, group, path, rect, scale, svg, text, title
from llm2vec_core.ui.tabs.see.forward_pass import ForwardPass, Sentence
from llm2vec_core.ui.tabs.see.model import Endings, Heads
from llm2vec_core.ui.tabs.see.spine import Finding
from llm2vec_core.ui.user_texts import shortened

# A change that cannot be seen in three digits is none. Under an open mask a cell is "the same" only up to rounding.
VISIBLE = 0.0005
ROUNDING = 2e-6

# The forward pass.
WIDTH, LEFT = 330, 50
ARC, CELL, GAP = 46, 15, 3
LABEL, TILTED, LABEL_CHARACTERS = 22, 58, 10
CHARACTER = 7.2  # of a label of 13 px

# Thumbnails of a model with more heads than this are coarser, so that the picture stays small.
MANY_HEADS = 144
# Weaker marks are left out; a coarse one holds more tokens, so more goes into it by itself.
FAINTEST, FAINTEST_COARSE = 0.04, 0.1
LEVELS = (0.12, 0.35, 0.7)


def forward_pass(picture: ForwardPass, sentence: Sentence) -> Markup:
    """One sentence on its way through the model, from its tokens to its vector.

    Arcs above the tokens lead from a seen token to a later one, arcs below them to an earlier one. A cell is a token's
    vector in a layer, coloured by how far it lies from the same token's in the other sentence. Each column and
    each layer is a button.
    """
    tokens = sentence.tokens
    column = (WIDTH - LEFT) / max(len(tokens), 1)
    labels = [shortened(token, LABEL_CHARACTERS) for token in tokens]
    # Of both sentences, so that their layers stand side by side.
    tilted = any(_overlap(other, (WIDTH - LEFT) / max(len(other.tokens), 1)) for other in picture.sentences)
    label_height = TILTED if tilted else LABEL
    middle = [LEFT + (i + 0.5) * column for i in range(len(tokens))]
    under = ARC + 4 + label_height
    top = under + ARC + 8  # of the layers
    bottom = top + len(picture.layers) * (CELL + GAP)
    height = bottom + 74
    word = picture.word

    arcs = [
        _arc(middle[i], middle[j], ARC + 2, -1, "l2v-see-past", stressed=j == word)
        for j in range(len(tokens))
        for i in range(j)
    ]
    arcs += [
        _arc(middle[i], middle[j], under, 1, "l2v-see-future", stressed=j == word)
        for j in range(len(tokens))
        for i in range(j + 1, len(tokens))
    ]
    rows = [
        element(
            "g",
            title(f"Layer {layer}: press to see its attention heads"),
            text(0, top + k * (CELL + GAP) + 12, f"layer {layer}", 12, class_="q"),
            rect(0, top + k * (CELL + GAP) - 1, LEFT - 2, CELL + 2, rx=3, fill="transparent", class_="f"),
            class_="l2v-see-column",
            role="button",
            tabindex="-1",
            data_sentence=sentence.name.lower(),
            data_layer=layer,
            aria_label=f"Layer {layer}: its attention heads, in Sentence {sentence.name}",
        )
        for k, layer in enumerate(picture.layers)
    ]
    changes = [picture.changes(change) for change in (picture.causal, picture.other)]
    columns = [
        _column(sentence, i, labels[i], middle[i], column, tilted, ARC + label_height - 2, top, changes, i == word)
        for i in range(len(tokens))
    ]
    end = bottom + 44
    count = len(tokens)
    pooling = [
        path(
            f"M{x:.1f} {bottom + 2}C{x:.1f} {bottom + 24} {LEFT + (WIDTH - LEFT) / 2:.1f} {bottom + 20} "
            f"{LEFT + (WIDTH - LEFT) / 2:.1f} {end - 2}",
            fill="none",
            stroke="var(--muted)",
            class_="l2v-see-pour",
            style=f"--seen:{(i + 1) / sentence.count:.2f}",
        )
        for i, x in enumerate(middle)
    ]
    vector = element(
        "g",
        rect(LEFT + 34, end, WIDTH - LEFT - 68, 26, rx=6, class_="f"),
        text(LEFT + (WIDTH - LEFT) / 2, end + 18, f"one vector, {picture.width:,} numbers", 13, text_anchor="middle"),
        class_="l2v-see-column l2v-see-vector",
        role="button",
        tabindex="-1",
        data_sentence=sentence.name.lower(),
        data_token="pooled",  # noqa: S106 - a token of text
        aria_label=f"Vector of Sentence {sentence.name}: which words it leans towards",
    )
    name = (
        f"Sentence {sentence.name}: {count} tokens, {len(picture.layers)} layers, one vector; press a part to open it"
    )
    return svg(
        WIDTH,
        height,
        group(*arcs, class_="l2v-see-arcs"),
        group(*rows, class_="l2v-see-layers"),
        *columns,
        group(*pooling, class_="l2v-see-pool"),
        vector,
        *(
            [text(WIDTH, ARC - 30, f"… {sentence.count - count} more", 12, text_anchor="end")]
            if sentence.is_cut
            else []
        ),
        label=name,
        role="group",
        style=f"max-width:{int(WIDTH * 1.2)}px",
    )


def _overlap(sentence: Sentence, column: float) -> bool:
    """Whether labels that stand side by side in columns of this width would touch."""
    widths = [len(shortened(token, LABEL_CHARACTERS)) * CHARACTER for token in sentence.tokens]
    return any((one + other) / 2 + 5 > column for one, other in itertools.pairwise(widths))


def _arc(start: float, stop: float, y: float, side: int, css: str, *, stressed: bool) -> Markup:
    rise = side * min(ARC - 6, 12 + abs(stop - start) * 0.2)
    drawn = path(
        f"M{start:.1f} {y}C{start:.1f} {y + rise * 1.3:.1f} {stop:.1f} {y + rise * 1.3:.1f} {stop:.1f} {y}",
        fill="none",
        class_=f"{css} l2v-see-stressed" if stressed else css,
    )
    return drawn + circle(stop, y, 2.6, class_=f"{css} l2v-see-stressed") if stressed else drawn


def _column(
    sentence: Sentence,
    i: int,
    label: str,
    x: float,
    width: float,
    tilted: bool,
    label_y: float,
    top: float,
    changes: Sequence[np.ndarray],
    watched: bool,
) -> Markup:
    shared = i < sentence.shared
    words = {"font_weight": 700} if shared else {}
    if tilted:
        written = text(
            0,
            0,
            label,
            13,
            text_anchor="end",
            transform=f"translate({x + 4:.1f} {label_y - 40:.1f}) rotate(-50)",
            **words,
        )
    else:
        written = text(x, label_y - 4, label, 13, text_anchor="middle", **words)
    cells = []
    wide = min(width - 4, 44)
    for k in range(len(changes[0])):
        y = top + k * (CELL + GAP)
        cells.append(rect(x - wide / 2, y, wide, CELL, rx=3, fill="var(--causal-soft)" if shared else "var(--track)"))
        if not shared:
            continue
        for state, change in zip(("causal", "bidi"), changes, strict=True):
            value = float(change[k, i])
            if value >= (ROUNDING if state == "bidi" else VISIBLE):
                cells.append(
                    rect(
                        x - wide / 2, y, wide, CELL, rx=3, class_=f"l2v-see-cell-{state}",
                        style=f"--change:{100 * min(1.0, value):.0f}%", data_change=f"{value:.4f}",
                    )
                )  # fmt: skip
    bottom = top + len(changes[0]) * (CELL + GAP)
    frame = rect(x - width / 2 + 1, ARC + 4, width - 2, bottom - ARC - 4, rx=5, fill="transparent", class_="f")
    return element(
        "g",
        title(f"{sentence.tokens[i]}: press to see which words its vectors lean towards"),
        written,
        *cells,
        frame,
        class_="l2v-see-column" + (" l2v-see-watched" if watched else ""),
        role="button",
        tabindex="-1",
        data_sentence=sentence.name.lower(),
        data_token=i,
        # Read aloud, a begin token's angle brackets would only look like markup.
        aria_label=f"{sentence.tokens[i].strip('<>') or 'token'}, token {i + 1} of Sentence {sentence.name}",
    )


def values(finding: Finding) -> Markup:
    """Each number on a line from 0 (or below) to 1 (or above): a circle is causal, a diamond bidirectional."""
    numbers = [value.value for value in finding.values]
    low, high = min(0.0, *numbers, 0.0), max(1.0, *numbers)
    row, left, width = 40, 8, 336
    x = scale(low, high, left, width - left)

    def shown(value: float) -> str:
        if finding.percent:
            return f"{value:.0%}" if value in (0.0, 1.0) else f"{value:.1%}"
        return f"{value:.3f}"

    drawn: list[Markup] = []
    for i, value in enumerate(finding.values):
        y, at = i * row + 30, x(value.value)
        color = "var(--bidi)" if value.direction == "bidirectional" else "var(--causal)"
        drawn += (
            text(left, y - 13, value.label, 13),
            text(
                width - left,
                y - 13,
                shown(value.value),
                14,
                font_weight=700,
                text_anchor="end",
                data_value=f"{value.value:.6f}",
            ),
            rect(left, y - 2, width - 2 * left, 4, rx=2, fill="var(--track)"),
            rect(x(0.0), y - 2, max(0.0, at - x(0.0)), 4, rx=2, fill=color),
            path(f"M{at:.1f} {y - 8}l8 8l-8 8l-8 -8z", fill=color)
            if value.direction == "bidirectional"
            else circle(at, y, 7, fill=color),
        )
    base = len(numbers) * row + 18
    drawn += (
        text(left, base, shown(low), class_="q"),
        text(width - left, base, shown(high), class_="q", text_anchor="end"),
    )
    told = "; ".join(f"{value.label} {shown(value.value)}" for value in finding.values)
    return svg(
        width, len(numbers) * row + 22, *drawn, label=f"{finding.unit}: {told}", style=f"max-width:{width * 1.5:g}px"
    )


def endings(found: Endings, measure: str, shown: int) -> Markup:
    """Two bars for each token: causal above, bidirectional below.

    Args:
        found: a beginning with two endings.
        measure: "cosine" or "distance".
        shown: how many tokens.
    """
    left, bar, row, top = 84, 190, 34, 4
    numbers = [c.changes if measure == "cosine" else c.distances for c in (found.causal, found.other)]
    # A distance can be more than 1; then the longest bar is the largest change.
    full = max(1.0, *(float(v.max()) for v in numbers))
    width = left + bar + 62
    drawn: list[Markup] = []
    for i in range(shown):
        y = top + i * row
        drawn.append(text(left - 8, y + 18, shortened(found.causal.tokens[i], 11), 13, text_anchor="end"))
        for k, (name, color) in enumerate((("causal", "var(--causal)"), ("bidi", "var(--bidi)"))):
            value, y_bar = float(numbers[k][i]), y + 2 + 13 * k
            drawn.append(rect(left, y_bar, bar, 11, rx=2, fill="var(--track)"))
            if value >= VISIBLE:
                drawn.append(rect(left, y_bar, max(1.5, bar * value / full), 11, rx=2, fill=color))
            number = {f"data_{name}": f"{value:.9f}", "style": f"fill:{color}"}
            drawn.append(text(left + bar + 8, y_bar + 10, f"{value:.3f}", 12, **number))
    most = [float(v.max()) for v in numbers]
    label = f"Change of {shown} tokens: causal at most {most[0]:.3f}, {found.stage.label} at most {most[1]:.3f}"
    return svg(width, top + shown * row + 4, *drawn, label=label, style=f"max-width:{int(width * 1.25)}px")


def attention(tokens: Sequence[str], weights: np.ndarray, label: str, *, masked: bool) -> Markup:
    """One head's attention: rows are the words looking, columns the words they look at.

    Args:
        tokens: of the sentence.
        weights: shape (tokens, tokens); rows sum to 1.
        label: what is read aloud.
        masked: whether the upper right half is hidden by the mask.
    """
    count, cell, left, top = len(tokens), 22, 92, 70
    width = left + count * cell + 34
    drawn: list[Markup] = []
    for i, token in enumerate(tokens):
        name = shortened(token, 11)
        drawn.append(text(left - 6, top + i * cell + 15, name, text_anchor="end"))
        drawn.append(
            element("text", name, transform=f"translate({left + i * cell + 14} {top - 6}) rotate(-55)", font_size=12)
        )
    cells = [(i, j) for i in range(count) for j in range(count)]
    hidden = [(i, j) for i, j in cells if masked and j > i]
    empty = "".join(
        f"M{left + j * cell} {top + i * cell}h{cell - 1}v{cell - 1}h-{cell - 1}z"
        for i, j in cells
        if not (masked and j > i)
    )
    drawn.append(path(empty, fill="var(--track)"))
    drawn.append(path(_slashes(hidden, left, top, cell), stroke="var(--muted)", opacity=".45", fill="none"))
    for i, j in zip(*np.nonzero(weights >= 0.004), strict=True):
        value = float(weights[i, j])
        told = title(f"{tokens[i]} takes {value:.0%} from {tokens[j]}")
        color = "var(--bidi)" if j > i else "var(--causal)"
        drawn.append(
            rect(
                left + int(j) * cell,
                top + int(i) * cell,
                cell - 1,
                cell - 1,
                told,
                fill=color,
                opacity=min(1.0, value) ** 0.6,
            )
        )
    return svg(width, top + count * cell + 4, *drawn, label=label, style=f"max-width:{int(width * 1.4)}px")


def _slashes(cells: Sequence[tuple[int, int]], left: int, top: int, cell: int) -> str:
    return "".join(f"M{left + j * cell + 6} {top + i * cell + cell - 7}l{cell - 13} -{cell - 13}" for i, j in cells)


def heads(found: Heads) -> Markup:
    """Every layer (row) and head (column) under the stage, tinted by its share of attention to later words."""
    shares = found.future
    layers, count = shares.shape
    many = layers * count > MANY_HEADS
    tile, gap, foot, cells = (30, 4, 0, 8) if many else (84, 10, 16, 20)
    left, top = 26, 20
    width, height = left + count * (tile + gap), top + layers * (tile + gap + foot)
    drawn = [
        text(left + j * (tile + gap) + tile / 2, 13, str(j + 1), class_="q", text_anchor="middle") for j in range(count)
    ]
    strongest = max(float(shares.max()), 1e-9)
    for i in range(layers):
        y = top + i * (tile + gap + foot)
        drawn.append(text(18, y + tile / 2 + 4, str(i + 1), class_="q", text_anchor="end"))
        for j in range(count):
            share = float(shares[i, j])
            told = f"Layer {i + 1}, head {j + 1}: {share:.0%} to later words"
            # Without a handler of its own, the group is one button; heads.js makes it one.
            drawn.append(
                group(
                    title(told),
                    rect(0, 0, tile, tile, rx=4, fill="var(--paper)", class_="f"),
                    rect(0, 0, tile, tile, rx=4, fill="var(--bidi)", opacity=0.55 * share / strongest),
                    thumbnail(found.other[i, j], tile, cells),
                    *([text(tile / 2, tile + 13, f"{share:.0%}", text_anchor="middle")] if foot else []),
                    x=left + j * (tile + gap),
                    y=y,
                    class_="l2v-see-head",
                    role="button",
                    tabindex="-1",
                    aria_label=told,
                    data_layer=i + 1,
                    data_head=j + 1,
                    data_share=f"{share:.4f}",
                )
            )
    # A large model's picture keeps its size and is scrolled; a small one's shrinks to the screen.
    size = f"min-width:{width}px;max-width:{width}px" if many else f"max-width:{width}px"
    label = f"{layers} layers of {count} heads of {found.stage.label}; press one to enlarge it"
    return svg(width, height, *drawn, label=label, role="group", style=size)


def thumbnail(weights: np.ndarray, tile: int, cells: int) -> Markup:
    """A head's attention in four strengths, in few strokes; neighbouring tokens are merged where there are many."""
    count, faintest = len(weights), FAINTEST
    if count > cells:
        edges = np.linspace(0, count, cells + 1).astype(int)
        weights = np.add.reduceat(np.add.reduceat(weights, edges[:-1], 0), edges[:-1], 1) / np.diff(edges)[:, None]
        count, faintest = cells, FAINTEST_COARSE
    strength = np.digitize(weights, LEVELS)
    ahead = np.triu(np.ones_like(strength, dtype=bool), 1)
    drawn = []
    for color, half in (("var(--causal)", ~ahead), ("var(--bidi)", ahead)):
        for level, opacity in ((0, 0.3), (1, 0.55), (2, 0.8), (3, 1.0)):
            marks = half & (strength == level) & (weights >= faintest)
            if marks.any():
                strokes = "".join(f"M{j} {i}h.9v.9h-.9z" for i, j in zip(*np.nonzero(marks), strict=True))
                drawn.append(path(strokes, fill=color, opacity=opacity))
    return element("g", *drawn, transform=f"translate(3 3) scale({(tile - 6) / count:.4g})")
