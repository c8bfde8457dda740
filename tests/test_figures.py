from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from llm2vec_core.charts.markers import topic_style
from llm2vec_core.figures import (
    DIRECTION_COLORS,
    cosine_map,
    ladder_svg,
    loss_curve,
    map_style,
    published_scores,
    running_mean,
    sample_efficiency,
    sample_efficiency_svg,
    scatter_map,
    score_ladder,
    training_curves,
)
from llm2vec_core.published import MTEB


def test_scatter_has_a_trace_a_topic_and_every_point_once():
    points = np.arange(8).reshape(4, 2)
    figure = scatter_map(points, ["b", "a", "b", "a"], ["w", "x", "y", "z"], "Title")
    assert [trace.name for trace in figure.data] == ["a", "b"]
    assert sorted(x for trace in figure.data for x in trace.x) == [0, 2, 4, 6]
    assert figure.layout.title.text == "Title"


def test_hover_texts_are_escaped_and_short():
    figure = scatter_map(np.zeros((1, 2)), ["<b>t</b>"], ["<img src=x onerror=alert(1)> " + "long " * 200], "T")
    text = json.dumps(figure.to_dict()["data"][0], default=str)
    assert "<img" not in text
    assert "&lt;img" in text
    assert len(figure.data[0].text[0]) < 300


def test_a_map_in_space_keeps_rows_and_styles():
    points = np.arange(12, dtype=float).reshape(4, 3)
    figure = scatter_map(points, ["b", "a", "b", "grey"], None, "T", styles={"b": 0, "a": 1, "grey": None, "none": 2})
    assert [(trace.type, trace.name, list(trace.customdata)) for trace in figure.data] == [
        ("scatter3d", "b", [0, 2]),
        ("scatter3d", "a", [1]),
        ("scatter3d", "grey", [3]),
    ]
    assert list(figure.data[0].z) == [2.0, 8.0]
    assert figure.data[2].marker.color == map_style(None)[0]
    assert len({map_style(i, 3) for i in range(36)}) == 36


def test_a_map_of_cosines_has_one_scale_and_stars_for_the_nearest():
    cosines = np.array([0.2, 0.9, 0.5])
    figure = cosine_map(np.eye(3, 2), cosines, [1], None, "T")
    others, nearest = figure.data
    assert (list(others.customdata), list(nearest.customdata)) == ([0, 2], [1])
    assert {(trace.marker.cmin, trace.marker.cmax) for trace in figure.data} == {(0.2, 0.9)}
    assert (others.marker.symbol, nearest.marker.symbol) == ("circle", "star")
    assert others.marker.size[0] < others.marker.size[1] < nearest.marker.size[0]
    flat = cosine_map(np.zeros((2, 2)), np.ones(2), [0, 1], None, "T")
    assert np.isfinite(flat.data[0].marker.size).all()
    assert flat.data[0].marker.colorbar.title.text == "cosine"


def test_topics_look_different():
    assert len({topic_style(i) for i in range(36)}) == 36


def test_loss_curve_shows_what_was_measured():
    figure = loss_curve([1, 2, 3], [3.0, 2.0, 1.0], [(0, 3.5), (3, 1.5)], "Loss")
    each, mean, held_out = figure.data
    assert list(each.y) == [3.0, 2.0, 1.0]
    assert list(mean.y) == [3.0, 2.5, 2.0]
    assert (list(held_out.x), list(held_out.y)) == ([0, 3], [3.5, 1.5])
    assert figure.layout.yaxis.title.text == "loss (nats)"
    assert len(loss_curve([1], [1.0], [], "Loss").data) == 2


def test_running_mean_window():
    assert running_mean(list(range(20)))[-1] == np.mean(range(10, 20))
    assert running_mean([]).tolist() == []


def test_ladder_shows_each_score_with_its_interval_from_the_top():
    panels = {"A": [(40.0, 38.0, 43.0), (60.0, 59.0, 61.5)], "B": [(10.0, 9.0, 11.0), (20.0, 18.0, 22.0)]}
    figure = score_ladder(["low <b>", "high"], ["causal", "bidirectional"], panels, "Scores")
    assert [list(trace.x) for trace in figure.data] == [[40.0], [60.0], [10.0], [20.0]]
    first = figure.data[0]
    assert (list(first.error_x.array), list(first.error_x.arrayminus)) == ([3.0], [2.0])
    assert first.marker.color == DIRECTION_COLORS["causal"]
    # Names stand above their lines, from the top, in each panel.
    named = [(note.text, note.yref) for note in figure.layout.annotations if "<b>" in note.text]
    assert named[:2] == [("low &lt;b&gt; <b>40.0</b>", "y"), ("high <b>60.0</b>", "y")]
    assert [axis for _, axis in named[2:]] == ["y2", "y2"]
    assert [list(trace.y) for trace in figure.data] == [[0], [-1], [0], [-1]]
    assert figure.data[0].marker.symbol != figure.data[1].marker.symbol
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]


def test_published_scores_are_all_drawn_once_and_models_share_a_line():
    figure = published_scores(MTEB, "Published")
    drawn = [(x, text) for trace in figure.data for x, text in zip(trace.x, trace.text, strict=True)]
    assert sorted(drawn) == sorted((row.score, row.model) for row in MTEB)
    looks = {(trace.marker.color, trace.marker.symbol) for trace in figure.data if trace.showlegend}
    assert len(looks) == sum(bool(trace.showlegend) for trace in figure.data) == 6
    echo = next(trace for trace in figure.data if trace.name == "causal, echo")
    assert echo.marker.color == DIRECTION_COLORS["causal"]


def test_sample_efficiency_draws_mean_and_range_of_the_seeds():
    low, high = np.array([[1.0, 5.0], [3.0, 9.0]]), np.array([[6.0, 8.0], [8.0, 10.0]])
    figure = sample_efficiency(
        ["<low>", "high"], ["causal", "bidirectional"], [[0, 10], [0, 10]], [low, high], "T", "points"
    )
    band, line, _, other = figure.data
    assert list(line.x) == [0, 10] and list(line.y) == [2.0, 7.0]
    assert list(other.y) == [7.0, 9.0]
    assert list(zip(band.x, band.y, strict=True)) == [(0, 3.0), (10, 9.0), (10, 5.0), (0, 1.0)]
    assert (line.name, line.line.color) == ("A · &lt;low&gt;", DIRECTION_COLORS["causal"])
    assert [note.text for note in figure.layout.annotations] == ["<b>A</b>", "<b>B</b>"]
    assert figure.layout.yaxis.title.text == "points"


def test_sample_efficiency_keeps_its_letters_apart_and_refuses_what_does_not_fit():
    same = [np.array([[1.0, 2.0]])] * 3
    figure = sample_efficiency(list("abc"), ["bidirectional"] * 3, [[0, 1]] * 3, same, "T")
    heights = sorted(note.y for note in figure.layout.annotations)
    assert heights[1] - heights[0] > 0.04 and heights[2] - heights[1] > 0.04
    assert len({trace.line.dash for trace in figure.data if trace.name}) == 3
    with pytest.raises(ValueError, match="'a': scores of shape"):
        sample_efficiency(["a"], ["causal"], [[0, 1, 2]], [np.array([[1.0, 2.0]])], "T")


def test_training_curves_share_one_axis_of_steps():
    figure = training_curves([3.0, 2.0], [(0, 3.5), (2, 2.5)], {"a": [(0, 0.5), (2, 0.75)], "b": [(0, 0.25)]}, "Run", 9)
    assert [list(trace.y) for trace in figure.data] == [[3.0, 2.0], [3.0, 2.5], [3.5, 2.5], [0.5, 0.75], [0.25]]
    assert [trace.yaxis for trace in figure.data] == ["y", "y", "y", "y2", "y2"]
    assert figure.layout.xaxis.range[0] < 0  # the first mark is not cut off
    assert figure.layout.xaxis.range[1] >= 9
    assert figure.layout.yaxis2.title.text == "separation"
    level = training_curves([], [(0, 3.5)], {}, "Run", 9, goal=("longer", 2.5)).data[-1]
    assert (level.name, list(level.x), list(level.y)) == ("longer", [0, 9], [2.5, 2.5])


SVG = "{http://www.w3.org/2000/svg}"


def read(picture: str) -> tuple[list[str], list[ElementTree.Element]]:
    """Its texts, and its marks."""
    tree = ElementTree.fromstring(picture)
    box = [float(number) for number in tree.get("viewBox").split()]
    for text in tree.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x")) <= box[2] and 0 <= float(text.get("y")) <= box[3], text.text
    marks = [element for element in tree.iter() if element.get("class", "").startswith("mark")]
    return [text.text for text in tree.iter(f"{SVG}text")], marks


def place(mark: ElementTree.Element) -> tuple[float, float]:
    x, y = mark.get("transform").removeprefix("translate(").removesuffix(")").split()
    return float(x), float(y)


def test_ladder_as_svg_has_every_score_in_its_place():
    panels = {"A & B": [(40.0, 38.0, 43.0), (60.0, 59.0, 61.5)], "C": [(10.0, 9.0, 11.0), (float("nan"),) * 3]}
    picture = ladder_svg(["low <b>", "high " * 20], ["causal", "bidirectional"], panels, "Scores x 100")
    texts, marks = read(picture)
    assert {"Scores x 100", "A & B", "C", "low <b>", "40.0", "60.0", "10.0", "–", "causal", "bidirectional"} <= set(
        texts
    )
    assert "no attention" not in texts
    assert [mark.get("class") for mark in marks[:3]] == ["mark causal", "mark bidirectional", "mark causal"]
    (low_x, low_y), (high_x, high_y) = place(marks[0]), place(marks[1])
    assert low_x < high_x and low_y < high_y
    assert marks[0].find(f"{SVG}title").text == "40.0 [38.0, 43.0]"
    # The interval's ends are where they belong on the axis of the scores.
    per_point = (high_x - low_x) / 20
    starts = [float(part.split()[0]) for part in picture.split('<path class="line causal" d="M')[1:]]
    assert starts[0] == pytest.approx(low_x - 2 * per_point, abs=0.2)
    assert next(text for text in texts if text.startswith("high")).endswith("…")
    assert "prefers-color-scheme:dark" in picture


def test_ladder_as_svg_takes_any_number_of_rows_and_panels():
    rows = [(float(score), score - 1.0, score + 1.0) for score in range(14)]
    directions = ["causal", "none"] + ["bidirectional"] * 12
    texts, marks = read(ladder_svg([f"row {i}" for i in range(14)], directions, {str(i): rows for i in range(6)}, "T"))
    assert texts.count("row 13") == 3  # two panels a row of panels
    assert len(marks) == 6 * 14 + 3


def test_sample_efficiency_as_svg_tells_starts_apart():
    scores = [np.array([[40.0, 50.0], [44.0, 52.0]]), np.array([[60.0, 61.0]]), np.array([[61.0, 61.0]])]
    directions = ["causal", "bidirectional", "bidirectional"]
    picture = sample_efficiency_svg(["a <b>", "b", "c"], directions, [[0, 25]] * 3, scores, "Steps", "points " * 30)
    texts, marks = read(picture)
    assert {"A · a <b>: 42.0 → 51.0", "B · b: 60.0 → 61.0", "training steps on labelled pairs", "0", "25"} <= set(texts)
    assert "mean of 2 seeds, in a band from the lowest to the highest" in " ".join(texts)
    assert picture.count('class="band') == 3
    dashes = [part.split('"')[0] for part in picture.split('stroke-dasharray="')[1:]]
    assert len(set(dashes[2:])) == 2  # both orange lines differ
    first, last = place(marks[0]), place(marks[1])
    assert first[0] < last[0] and first[1] > last[1]  # later is further right, more is higher
    alone = read(sample_efficiency_svg(["a"], ["causal"], [[0]], [np.array([[5.0]])], "T"))[0]
    assert "seeds" not in " ".join(alone)
    with pytest.raises(ValueError, match="27 starts"):
        sample_efficiency_svg(["a"] * 27, ["causal"] * 27, [[0]] * 27, [np.array([[5.0]])] * 27, "T")
