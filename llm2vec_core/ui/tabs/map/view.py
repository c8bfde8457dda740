"""Map: its fields, and what they set off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from llm2vec_core.projection import Neighborhoods
from llm2vec_core.ui.components import code_view, notice_panel, panel
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.form import Form, Results
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map import copy, model, picking
from llm2vec_core.ui.tabs.map.charts import map_marks, map_value, map_view
from llm2vec_core.ui.tabs.map.code import map_snippet
from llm2vec_core.ui.tabs.map.measures import legend as legend_of
from llm2vec_core.ui.tabs.map.measures import numbers as numbers_of
from llm2vec_core.ui.tabs.map.settings import (
    MAX_CLUSTERS,
    MAX_NEIGHBORS,
    NEIGHBORS,
    map_settings,
    opening_settings,
)
from llm2vec_core.ui.tabs.map.space import Space
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import source_radio, text_picker
from llm2vec_core.ui.user_texts import Texts

# A number in a list is pressed: the same event as a click on the map.
PRESS = """element.addEventListener('click', event => {
  const button = event.target.closest('[data-pick]');
  if (button) trigger('pick', {row: Number(button.dataset.pick)});
});"""
SHOWN_MOVERS, CELL_CHARACTERS = 8, 300


def status_of(step: model.Step) -> str:
    """What goes on, as HTML."""
    return render("map/status.html", step=step)


def neighbors_of(texts: Texts, spaces: tuple[Space, Space], found: Neighborhoods) -> str:
    """The card of a picked text."""
    return render("map/neighbors.html", texts=texts, choices=[space.choice for space in spaces], found=found)


def movers_of(view: model.View, measures: model.Measures) -> str:
    """The card of the texts whose neighbours changed most."""
    count, rows = min(NEIGHBORS, len(view.texts) - 1), measures.movers[:SHOWN_MOVERS]
    return render("map/movers.html", texts=view.texts, measures=measures, rows=rows, count=count)


def selection_of(texts: Texts, rows: list[int], how: str) -> str:
    """Selected texts as a table."""
    if not rows:
        return render("map/hint.html", title=f"Selection: no text {how}", words=copy.SELECT_HINT)
    return render("map/selection.html", texts=texts, rows=rows, how=how, cell=CELL_CHARACTERS)


def show(context: AppContext, session: Session, **fields: Any) -> Iterator[Results]:
    """The map, again and again as it gets better.

    Neighbours are those of the text picked last, or of the one that moved most.

    Args:
        context: of the model.
        session: of the visitor.
        fields: of :func:`llm2vec_core.ui.tabs.map.settings.map_settings`.
    """
    settings, view = map_settings(**fields), None
    for step in model.draw(context, session, settings):
        results: Results = {"status": status_of(step)}
        if step.view is not None:
            view = step.view
            code = map_snippet(context.preset, view.texts, settings)
            results |= {"maps": map_value(view), "legend": legend_of(view), "code": code}
        elif step.measures is not None and view is not None:
            measures = step.measures
            row = picking.remembered(session, view.texts)
            if row is None:
                row = (measures.movers or [0])[0]
            found = picking.picked(view.spaces, row, settings.metric)
            results |= {
                "maps": gr.update(marks=map_marks(view.texts, found=found, movers=measures.movers)),
                "numbers": numbers_of(view, measures),
                "movers": movers_of(view, measures),
                "picked": neighbors_of(view.texts, view.spaces, found),
            }
        yield results
    model.get_ready(context.until_calm)


def pick(context: AppContext, session: Session, event: dict[str, Any], **fields: Any) -> Results:
    """Highlights and lists of neighbours of the text that was pressed; fields as of :func:`show`."""
    settings = map_settings(**fields)
    texts, spaces = model.spaces_of(context, session, settings)
    found = picking.picked(spaces, picking.checked_row(event.get("row"), len(texts)), settings.metric)
    picking.remember(session, texts, found.row)
    return {"maps": gr.update(marks=map_marks(texts, found=found)), "picked": neighbors_of(texts, spaces, found)}


def select(context: AppContext, session: Session, event: dict[str, Any], **fields: Any) -> Results:
    """The table of texts selected on the map; fields as of :func:`show`."""
    texts, _ = model.spaces_of(context, session, map_settings(**fields))
    return {"selected": selection_of(texts, picking.checked_rows(event.get("rows"), len(texts)), "from the map")}


def find(context: AppContext, session: Session, words: str, **fields: Any) -> Results:
    """The table of texts that contain some words; fields as of :func:`show`."""
    texts, _ = model.spaces_of(context, session, map_settings(**fields))
    return {"selected": selection_of(texts, picking.rows_with(texts, words), f"with “{words.strip()[:60]}”")}


def _build(page: Page, tab: gr.Tab) -> None:
    preset = page.context.preset
    first = opening_settings(preset)
    opening = model.opening_view(page.context)
    page.context.warm_ups.append(partial(model.warm_up, page.context))

    panel(render("map/intro.html"))
    with gr.Row():
        left, right = page.two_pickers("map")
        source = source_radio("map", min_width=290)
    texts = text_picker(page, "map", source=source)
    with gr.Row(elem_id="map-choices"):
        kind = gr.Radio(copy.KINDS, value=first.kind, label="Layout", elem_id="map-kind", scale=4, min_width=170)
        dimensions = gr.Radio(
            [("2-D", 2), ("3-D", 3)],
            value=first.dimensions,
            label="Dimensions",
            elem_id="map-dim",
            scale=4,
            min_width=160,
        )
        color = gr.Radio(
            copy.COLORS,
            value=first.color,
            label="Colour marks by",
            elem_id="map-color",
            scale=13,
            min_width=330,
        )
        run = gr.Button("Draw", variant="primary", elem_id="map-draw", scale=0, min_width=96)
        stop = gr.Button("Stop", elem_id="map-stop", scale=0, min_width=76)
    with gr.Row(visible=False) as query_row:
        query = gr.Textbox(
            copy.QUERY, label="Colour by the cosine with this text", lines=1, elem_id="map-query", submit_btn="Colour"
        )
    status = panel(elem_id="map-status", min_height=28)
    notice = notice_panel("map-notice")
    legend = panel(legend_of(opening), elem_id="map-legend")
    maps = map_view(map_value(opening, with_texts=False), elem_id="map-panels")
    panel(render("map/cannot.html"))
    with gr.Accordion("Expert settings", open=False, elem_id="map-expert"):
        with gr.Row():
            neighbors = gr.Number(
                first.n_neighbors,
                label=f"n_neighbors (2 to {MAX_NEIGHBORS})",
                info=copy.NEIGHBORS_INFO,
                elem_id="map-neighbors",
                min_width=220,
            )
            min_dist = gr.Number(
                first.min_dist,
                label="min_dist (0 to 1)",
                info=copy.MIN_DIST_INFO,
                step=0.05,
                elem_id="map-min-dist",
                min_width=220,
            )
            clusters = gr.Number(
                first.clusters,
                label=f"k-means clusters (2 to {MAX_CLUSTERS})",
                info=copy.CLUSTER_COUNT_INFO,
                elem_id="map-clusters",
                min_width=220,
            )
        with gr.Row():
            metric = gr.Radio(
                [("Cosine", "cosine"), ("Euclidean", "euclidean")],
                value=first.metric,
                label="Metric",
                info=copy.METRIC_INFO,
                elem_id="map-metric",
                min_width=260,
            )
            seed = gr.Number(first.seed, label="Seed", info=copy.SEED_INFO, elem_id="map-seed", min_width=220)
    numbers = panel(elem_id="map-summary")
    with gr.Row():
        with gr.Column(min_width=330, scale=1):
            movers = panel(js_on_load=PRESS, elem_id="map-moved")
        # Two lists beside each other.
        with gr.Column(min_width=500, scale=2):
            pick_notice = notice_panel("map-pick-notice")
            hint = render("map/hint.html", title="Neighbours", words=copy.PICK_HINT)
            picked = panel(hint, js_on_load=PRESS, elem_id="map-neighbours")
    with gr.Row():
        words = gr.Textbox(
            label="Find texts containing",
            max_length=200,
            elem_id="map-find",
            submit_btn="Find",
            placeholder="river water",
        )
    select_notice = notice_panel("map-select-notice")
    hint = render("map/hint.html", title="Selection", words=copy.SELECT_HINT)
    selected = panel(hint, js_on_load=PRESS, elem_id="map-selection")
    code = code_view("map-code", map_snippet(preset, opening.texts, first))

    form = Form(page, "map", notice)
    form.fields(left=left, right=right, kind=kind, dim=dimensions, color=color, query=query, clusters=clusters)
    form.fields(neighbors=neighbors, min_dist=min_dist, metric=metric, seed=seed)
    form.fields(source=texts.source, linked=False)
    form.results(status=status, maps=maps, legend=legend, code=code)
    form.results(numbers=numbers, movers=movers, picked=picked)
    io = form.io(show, concurrency_id="map", concurrency_limit=2, show_progress="hidden")
    form.results(selected=selected)
    quick: dict[str, Any] = {"latest": False, "show_progress": "hidden"}
    pick_io = form.io(pick, results=("maps", "picked"), notice=pick_notice, **quick)
    lasso_io = form.io(select, results=("selected",), notice=select_notice, **quick)
    form.fields(words=words, linked=False)
    find_io = form.io(find, results=("selected",), notice=select_notice, **quick)
    drawn = gr.on(
        [
            tab.select,
            run.click,
            *(field.input for field in (left, right, kind, dimensions, color, metric)),
            *(field.submit for field in (query, neighbors, min_dist, clusters, seed)),
        ],
        **io,
    )
    texts.then(**io)
    # A link changes it too.
    color.change(lambda chosen: gr.update(visible=chosen == "query"), color, query_row, queue=False, api_name=False)
    stop.click(
        lambda: status_of(
            model.Step("Nothing is being drawn now. The last map is still shown; press Draw for a new one.")
        ),
        None,
        status,
        cancels=[drawn],
        queue=False,
        api_name=False,
        show_progress="hidden",
    )
    for component in (maps, picked, movers, selected):
        component.pick(**pick_io)
    maps.lasso(**lasso_io)
    words.submit(**find_io)
    page.refreshers["map"] = io


TAB = Tab("map", "Map", _build)
