"""What the Map tab computes, without a page."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist

from llm2vec_core.bundled_data import passages
from llm2vec_core.errors import InputError
from llm2vec_core.projection import cluster_words, leveled, named_groups, umap_layout
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map import copy, model, picking
from llm2vec_core.ui.tabs.map.charts import map_marks, map_value
from llm2vec_core.ui.tabs.map.code import map_snippet
from llm2vec_core.ui.tabs.map.coloring import OTHERS, STRAY, UNLABELLED, cluster_groups, label_groups
from llm2vec_core.ui.tabs.map.measures import legend, numbers
from llm2vec_core.ui.tabs.map.settings import MapSettings, map_settings
from llm2vec_core.ui.tabs.map.view import movers_of, neighbors_of, pick, selection_of, show
from llm2vec_core.ui.user_texts import Texts, our_collection

PCA = MapSettings("ours", "causal", "simcse", kind="pca")
WORDS = [p.text.split(".")[0] for p in passages()[::10]]


def fields_of(settings):
    """The tab's fields, as the page has them."""
    names = {"dimensions": "dim", "n_neighbors": "neighbors"}
    return {names.get(name, name): value for name, value in asdict(settings).items()}


def visitor_with(texts: list[str], labels: list[str] | None = None) -> Session:
    session = Session()
    session.texts = Texts("mine.txt", tuple(texts), tuple(labels) if labels else None)
    return session


def last(context: AppContext, session: Session, settings: MapSettings) -> tuple[model.View, model.Measures]:
    steps = list(model.draw(context, session, settings))
    return [s.view for s in steps if s.view][-1], steps[-1].measures


def test_both_maps_lie_in_the_left_ones_frame(context):
    for dimensions in (2, 3):
        settings = MapSettings("ours", "causal", "static", kind="pca", dimensions=dimensions)
        view, _ = last(context, Session(), settings)
        left, right = view.points
        for points in (left, right):
            assert np.sqrt((points**2).sum(axis=1).mean()) == pytest.approx(1.0)
            assert points.mean(axis=0) == pytest.approx(0.0, abs=1e-9)
        raw = [space.layout(settings).astype(float) for space in view.spaces]
        assert view.disparity == pytest.approx(procrustes(*raw)[2], abs=1e-9)
        assert view.explained[0].shape == (dimensions,)
        assert right.shape == left.shape == (len(passages()), dimensions)


def test_pca_comes_first_then_umap_then_numbers_and_nothing_is_computed_twice(context):
    session = visitor_with(WORDS)
    settings = MapSettings("own", "causal", "simcse")
    kinds = [step.view.settings.kind for step in model.draw(context, session, settings) if step.view]
    assert kinds == ["pca", "umap"]
    again = list(model.draw(context, session, settings))
    assert [step.view.settings.kind for step in again if step.view] == ["umap"]
    assert all("Encoding" not in step.status for step in again)
    view = again[0].view
    centered = leveled(umap_layout(context.encoder("causal").encode(WORDS)))
    np.testing.assert_allclose(view.points[0], centered / np.sqrt((centered**2).sum(axis=1).mean()), atol=1e-3)
    # What is a visitor's own is kept with the visitor.
    assert ("embeddings", "mini", "causal", session.texts.key) in session.cache
    assert not any(session.texts.key in key for key in context.cache)


def test_who_leaves_while_umap_works_leaves_nothing_half_made(context, monkeypatch):
    monkeypatch.setattr(model, "REPORT_SECONDS", 0.0)
    session = visitor_with(WORDS)
    steps = model.draw(context, session, MapSettings("own", "causal", "simcse", seed=5))
    for step in steps:
        if step.status.startswith("UMAP of the first map: "):
            assert 0 <= step.share < 1
            break
    steps.close()
    assert not any(key[0] == "layout" and 5 in key for key in session.cache)


def test_measures_by_hand(context):
    view, measures = last(context, Session(), PCA)
    near = []
    for key in ("causal", "simcse"):
        distances = cdist(context.collection(key), context.collection(key), "cosine")
        np.fill_diagonal(distances, np.inf)
        near.append(np.argsort(distances, axis=1))
    shared = [len({*a[:10]} & {*b[:10]}) / 10 for a, b in zip(*near, strict=True)]
    assert measures.overlap == pytest.approx(shared)
    first = measures.movers[0]
    assert measures.overlap[first] == min(shared)
    place = {row: rank for rank, row in enumerate(near[1][first], start=1)}
    assert measures.ranks[first] == pytest.approx(np.mean([place[row] for row in near[0][first][:10]]))
    html = numbers(view, measures)
    assert f'data-overlap="{np.mean(shared):.6f}"' in html
    quality = measures.quality[0]
    votes = [p.topic for p in passages()]
    right = sum(
        max((w := [votes[j] for j in row[:10]]), key=lambda v: (w.count(v), -w.index(v))) == votes[i]
        for i, row in enumerate(near[0])
    )
    assert quality.accuracy == right / len(votes)
    assert f'data-full="{quality.accuracy:.4f}"' in html


def test_a_picked_texts_neighbours_and_their_ranks_elsewhere(context):
    texts, spaces = model.spaces_of(context, Session(), PCA)
    found = picking.picked(spaces, 7, "cosine")
    orders = []
    for key in ("causal", "simcse"):
        distances = cdist(context.collection(key)[7:8], context.collection(key), "cosine")[0]
        distances[7] = np.inf
        orders.append(np.argsort(distances).tolist())
    for i in (0, 1):
        assert [n.row for n in found.sides[i]] == orders[i][:10]
        assert [n.other_rank for n in found.sides[i]] == [orders[1 - i].index(row) + 1 for row in orders[i][:10]]
    assert found.shared == set(orders[0][:10]) & set(orders[1][:10])
    assert found.sides[0][0].cosine == pytest.approx(
        1 - cdist(context.collection("causal")[7:8], context.collection("causal")[orders[0][:1]], "cosine")[0, 0],
        abs=1e-6,
    )
    assert json.loads(map_marks(texts, found=found))["left"] == orders[0][:10]
    assert f'data-shared="{len(found.shared)}"' in neighbors_of(texts, spaces, found)


@pytest.mark.parametrize("row", [-1, 324, "7", None, 1.0, True, [1]])
def test_a_row_that_is_not_there_is_refused(row):
    with pytest.raises(InputError, match="no longer on the map"):
        picking.checked_row(row, 324)
    with pytest.raises(InputError, match="Draw the map again"):
        picking.checked_rows([row], 324)


def test_selections_are_checked_and_counted_once():
    assert picking.checked_rows([3, 1, 3], 5) == [3, 1]
    for wrong in (None, "1", {"a": 1}, [0] * 11):
        with pytest.raises(InputError, match="selection no longer matches"):
            picking.checked_rows(wrong, 5)
    with pytest.raises(InputError, match="Type a word"):
        picking.rows_with(our_collection(), "  ")


def test_hostile_texts_and_labels_are_escaped_everywhere(context):
    evil = "<img src=x onerror=alert(1)> ${alert(2)} {{value}} </script>"
    session = visitor_with([f"{evil} {i}" for i in range(8)], [evil, "=1+1"] * 4)
    view, measures = last(context, session, MapSettings("own", "causal", "simcse", kind="pca"))
    found = picking.picked(view.spaces, 0, "cosine")
    for html in (
        legend(view),
        numbers(view, measures),
        movers_of(view, measures),
        neighbors_of(view.texts, view.spaces, found),
        selection_of(view.texts, [0, 1], f"with “{evil}”"),
        selection_of(view.texts, [], f"with “{evil}”"),
    ):
        assert "<img" not in html
        assert "</script" not in html
    assert "&lt;img" in legend(view)
    # A search without a hit says what was looked for.
    assert "no text with “zebra”" in selection_of(view.texts, [], "with “zebra”")
    value = json.loads(map_value(view))
    both = np.concatenate(view.points)
    assert value["frame"] == [both.min(axis=0).tolist(), both.max(axis=0).tolist()]
    assert value["count"] == len(value["hover"]) == 8
    assert "<img" not in json.dumps([value["hover"], value["left"]["data"]])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_too_few_texts_are_refused_with_their_number(context, count):
    with pytest.raises(InputError, match=rf"{count} texts? (is|are) too few for a map; give at least 5"):
        next(model.draw(context, visitor_with(WORDS[:count]), MapSettings("own", "causal", "simcse")))


def test_a_map_has_a_largest_number_of_texts(context):
    assert Limits().map_points == 5_000
    settings = MapSettings("own", "causal", "simcse")
    with pytest.raises(InputError, match=r"mine\.txt has 5,001 texts; a map can show at most 5,000"):
        next(model.draw(context, visitor_with(["a"] * 5001), settings))
    with pytest.raises(InputError, match="not loaded any texts yet"):
        next(model.draw(context, Session(), settings))


@pytest.mark.parametrize("color", ["label", "kmeans", "hdbscan", "query"])
@pytest.mark.parametrize("kind", ["pca", "umap"])
def test_equal_texts_and_five_texts_are_drawn(context, color, kind):
    for texts, labels in ((["the same"] * 6, ["a"] * 6), (WORDS[:5], None), (WORDS[:3] * 2, ["a", "", "b"] * 2)):
        session = visitor_with(texts, labels)
        settings = MapSettings(
            "own", "causal", "simcse", kind=kind, color=color, query="river", clusters=4, n_neighbors=50
        )
        view, measures = last(context, session, settings)
        assert np.isfinite(view.points).all()
        assert "density" not in json.loads(map_value(view))["left"]
        told = numbers(view, measures)
        assert "nan" not in told.lower().replace("finance", "")
        if len(set(texts)) == 1:
            assert "not defined" in told
            assert "all marks are in one place" in map_value(view)


def test_groups_of_marks_have_words_that_do_not_move_with_the_frame(context):
    view, _ = last(context, Session(), MapSettings("ours", "causal", "simcse"))
    value = json.loads(map_value(view))
    for i, side in enumerate(("left", "right")):
        expected = named_groups(view.points[i], view.texts.texts)
        for level, groups in zip(value[side]["words"], expected, strict=True):
            assert level == [[group.row, " · ".join(group.words)] for group in groups]
        assert 3 <= len(value[side]["words"][0]) <= len(value[side]["words"][1])
        # The contours lie where the marks do: more of them are in the densest tenth of the picture than elsewhere.
        density = value[side]["density"]
        z = np.array(density["z"])
        x, y = (view.points[i] - [density["x0"], density["y0"]]).T / [[density["dx"]], [density["dy"]]]
        under = z[np.round(y).astype(int), np.round(x).astype(int)]
        assert np.mean(under >= np.quantile(z, 0.9)) > 0.5
    deep, _ = last(context, Session(), replace(PCA, dimensions=3))
    assert json.loads(map_value(deep))["left"]["words"] == [[], []]
    assert "density" not in json.loads(map_value(deep))["left"]


def test_the_legend_of_clusters_has_their_words(context):
    view, _ = last(context, Session(), replace(PCA, color="kmeans"))
    words = cluster_words(view.texts.texts, view.spaces[0].clusters(view.settings))
    for number, found in enumerate(words):
        assert view.colors.notes[f"cluster {number + 1}"].endswith(" · ".join(found))
        assert " · ".join(found) in legend(view)


def test_labels_grey_where_missing_and_shared_where_too_many():
    groups = label_groups(None, 3)
    assert groups.styles == {UNLABELLED: None}
    many = label_groups((*(f"l{i:02}" for i in range(50)), "l07", ""), 52)
    assert len([n for n in many.styles.values() if n is not None]) == 35
    assert many.names[0][7] == many.names[0][50] == "l07"
    assert many.styles[OTHERS] is many.styles[UNLABELLED] is None
    assert many.notes[OTHERS] == "15 texts, 15 labels"


def test_clusters_share_numbers_and_tell_their_commonest_label():
    left, right = np.array([0, 0, 0, 1, 1, -1]), np.array([1, 1, 1, 0, 0, 0])
    groups = cluster_groups(left, right, ("a", "a", "b", "c", "", "c"))
    assert groups.names[1] == ["cluster 1"] * 3 + ["cluster 2"] * 3
    assert groups.notes["cluster 1"] == "3 left, 3 right; 67% a"
    assert groups.notes[STRAY] == "1 left, 0 right"


def test_colour_by_a_text_is_its_cosine(context):
    settings = MapSettings("ours", "causal", "echo", kind="pca", color="query", query=passages()[3].text)
    view, _ = last(context, Session(), settings)
    for values, nearest in zip(view.colors.values, view.colors.nearest, strict=True):
        assert values[3] == pytest.approx(1.0, abs=1e-4)
        assert nearest[0] == 3
    assert "Each map has its own scale" in legend(view)
    with pytest.raises(InputError, match="The text to compare with is empty"):
        last(context, Session(), MapSettings("ours", "causal", "echo", kind="pca", color="query", query=" "))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("kind", "tsne", "The layout is 'tsne'; choose one of umap, pca"),
        ("dim", 4, "number of dimensions is 4"),
        ("color", None, "The colouring is 'None'"),
        ("clusters", 1, "number of clusters is 1; choose a number from 2 to 36"),
        ("neighbors", 2.5, "n_neighbors is 2.5; choose a whole number from 2 to 200"),
        ("neighbors", None, "n_neighbors is empty"),
        ("min_dist", -0.1, "min_dist is -0.1; choose a number from 0 to 1"),
        ("seed", -1, "seed is -1; choose a number from 0 to 2,147,483,647"),
        ("min_dist", "wide", "min_dist is wide"),
        ("metric", "dot", "The metric is 'dot'"),
        ("seed", float("nan"), "The seed is nan"),
        ("seed", 1e99, "The seed is 1e+99"),
    ],
)
def test_each_field_says_what_would_be_right(field, value, told):
    with pytest.raises(InputError) as caught:
        map_settings(**fields_of(PCA) | {field: value})
    assert told in str(caught.value)


def test_what_to_notice_follows_the_numbers(context):
    same, measures = last(context, Session(), MapSettings("ours", "simcse", "simcse", kind="pca"))
    assert "same encoder" in numbers(same, measures)
    assert "<li" not in movers_of(same, measures)
    there, there_measures = last(context, Session(), PCA)
    left, right = (space.choice.label for space in there.spaces)
    for votes, told in (
        (
            (0.9, 0.8),
            f"By the neighbour vote {left} keeps equal labels together better: on the full vectors it is right for 90%",
        ),
        ((0.8, 0.9), f"By the neighbour vote {right} keeps equal labels together better"),
        ((0.88, 0.884), "right about equally often for both (88.0% and 88.4%)"),
    ):
        quality = tuple(replace(q, accuracy=vote) for q, vote in zip(there_measures.quality, votes, strict=True))
        assert told in copy.findings(there, replace(there_measures, quality=quality))
    # Two measures that disagree are both told.
    for silhouettes, opposite in (((0.2, 0.1), True), ((0.1, 0.2), False), ((0.201, 0.199), False)):
        quality = tuple(
            replace(q, accuracy=vote, silhouette=value)
            for q, vote, value in zip(there_measures.quality, (0.8, 0.9), silhouettes, strict=True)
        )
        told = copy.findings(there, replace(there_measures, quality=quality))
        assert (f"opposite: it is higher with {left} (0.20, against 0.10)" in told) == opposite


@pytest.mark.parametrize(("count", "few"), [(8, True), (11, True), (12, False)])
def test_where_all_other_texts_are_neighbours_nothing_is_said_of_them(context, count, few):
    view, measures = last(context, visitor_with(WORDS[:count]), replace(PCA, source="own", right="static"))
    assert (f"With {count} texts, all others are" in copy.findings(view, measures)) == few
    assert ("nearest neighbours differ" in copy.findings(view, measures)) != few
    assert ("all others are a text's nearest neighbours" in movers_of(view, measures)) == few


@pytest.mark.process
@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        (PCA, None),
        (MapSettings("own", "static", "echo", dimensions=3, n_neighbors=5, metric="euclidean", seed=3), WORDS[:20]),
    ],
)
def test_the_code_beside_the_map_computes_the_same(context, settings, texts):
    session = visitor_with(texts) if texts else Session()
    view, measures = last(context, session, settings)
    code = map_snippet(context.preset, view.texts, settings)
    code += "import json\nprint(json.dumps([overlap.tolist(), trust, on_the_left.tolist()]))\n"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    overlap, trust, left = json.loads(result.stdout.splitlines()[-1])
    assert overlap == pytest.approx(measures.overlap.tolist(), abs=0.1001)  # a tie may fall the other way
    assert np.mean(overlap) == pytest.approx(measures.overlap.mean(), abs=0.005)
    assert trust == pytest.approx([quality.trust for quality in measures.quality], abs=0.05)
    if settings.kind == "pca":  # UMAP makes much of the last digit, and that is another one in another process
        assert procrustes(np.array(left), view.points[0])[2] < 1e-4
    assert np.array(left).shape == view.points[0].shape
    assert f"{1 - measures.overlap.mean():.0%} of the neighbours are new" in result.stdout


def test_code_for_many_texts_reads_a_file_and_says_so(context):
    code = map_snippet(
        context.preset, Texts("x", tuple(f"text {i}" for i in range(99))), MapSettings("own", "own", "mntp")
    )
    assert 'open("texts.txt"' in code
    assert 'from_pretrained("your-adapter")' in code
    compile(code, "snippet", "exec")


def test_the_handler_clears_nothing_it_does_not_renew(context):
    results = list(show(context, Session(), **fields_of(replace(PCA, right="echo"))))
    assert "PCA" in results[-2]["maps"]
    assert set(results[-2]) == {"status", "maps", "legend", "code"}
    assert "map-movers" in results[-1]["movers"]
    assert set(results[-1]) == {"status", "maps", "numbers", "movers", "picked"}


def test_neighbours_are_those_of_the_first_mover_until_a_text_is_picked(context):
    session, other = Session(), Session()
    _, measures = last(context, session, PCA)
    shown = list(show(context, session, **fields_of(PCA)))[-1]
    assert f'id="map-picked" data-row="{measures.movers[0]}"' in shown["picked"]
    assert json.loads(shown["maps"]["marks"])["pick"] == measures.movers[0]
    pick(context, session, {"row": 7}, **fields_of(PCA))
    # Another encoder: the same text, its neighbours there.
    changed = replace(PCA, right="static")
    shown = list(show(context, session, **fields_of(changed)))[-1]
    assert 'id="map-picked" data-row="7"' in shown["picked"]
    assert "Static token embeddings" in shown["picked"]
    assert 'data-row="7"' not in list(show(context, other, **fields_of(changed)))[-1]["picked"].split("</h3>")[0]
    # Other texts: that row is another text now.
    session.texts = Texts("mine", tuple(WORDS), None)
    own = replace(PCA, source="own")
    _, measures = last(context, session, own)
    picked = list(show(context, session, **fields_of(own)))[-1]["picked"]
    assert f'id="map-picked" data-row="{measures.movers[0]}"' in picked


def test_umap_is_compiled_once_and_when_nobody_waits(monkeypatch):
    done, compiled = [], threading.Event()

    def laid_out(rows):
        done.append("compiled")
        compiled.set()

    monkeypatch.setattr(model, "_FIRST", threading.Lock())
    monkeypatch.setattr(model, "umap_layout", laid_out)
    for _ in range(2):
        model.get_ready(lambda: done.append("calm"))
    assert compiled.wait(60)
    assert done == ["calm", "compiled"]
