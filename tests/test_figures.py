from __future__ import annotations

import json

import numpy as np

from llm2vec_core.figures import (
    DIRECTION_COLORS,
    cosine_map,
    loss_curve,
    map_style,
    running_mean,
    scatter_map,
    score_ladder,
    topic_style,
    training_curves,
)


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
    assert list(figure.layout.yaxis.categoryarray) == ["high", "low &lt;b&gt;"]
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]


def test_training_curves_share_one_axis_of_steps():
    figure = training_curves([3.0, 2.0], [(0, 3.5), (2, 2.5)], {"a": [(0, 0.5), (2, 0.75)], "b": [(0, 0.25)]}, "Run", 9)
    assert [list(trace.y) for trace in figure.data] == [[3.0, 2.0], [3.0, 2.5], [3.5, 2.5], [0.5, 0.75], [0.25]]
    assert [trace.yaxis for trace in figure.data] == ["y", "y", "y", "y2", "y2"]
    assert figure.layout.xaxis.range[1] >= 9
    assert figure.layout.yaxis2.title.text == "separation"
