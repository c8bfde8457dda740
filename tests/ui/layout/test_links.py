from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import gradio as gr
import pytest
from playwright.sync_api import expect

from llm2vec_core.errors import InputError
from llm2vec_core.ui.layout.links import LONGEST_LINK, complaint, restored, view_of
from tests.ui.conftest import copied_link, quiet

STAGES = [("Causal", "causal"), ("Both", "both")]


@pytest.mark.parametrize(
    ("component", "value", "expected"),
    [
        (lambda: gr.Dropdown(STAGES), "both", "both"),
        (lambda: gr.Dropdown([("one", 0), ("two", 1)]), "1", 1),
        (lambda: gr.Radio([1, 2, 3]), "2", 2),
        (lambda: gr.Radio([0.5, 1.0]), "1", 1.0),
        (lambda: gr.Radio([True, False]), "true", True),
        (lambda: gr.CheckboxGroup(STAGES), '["both","causal"]', ["both", "causal"]),
        (lambda: gr.Dropdown(STAGES, multiselect=True), "[]", []),
        (lambda: gr.Slider(1, 10), "5.5", 5.5),
        (lambda: gr.Slider(1, 10), "1e9", 10),
        (lambda: gr.Number(minimum=0), "-3", 0),
        (lambda: gr.Number(), "-3", -3),
        (lambda: gr.Checkbox(), "false", False),
        (lambda: gr.Textbox(), "<b>a</b>\n\u202eb", "<b>a</b>\n\u202eb"),
        (lambda: gr.Textbox(max_length=3), "abc", "abc"),
        (lambda: gr.Textbox(), "a\ud800", "a\ufffd"),
    ],
)
def test_what_the_page_could_have_said(component, value, expected):
    found = restored(value, component())
    assert found == expected
    assert type(found) is type(expected) or isinstance(found, float)


@pytest.mark.parametrize(
    ("component", "value"),
    [
        (lambda: gr.Dropdown(STAGES), "own"),
        (lambda: gr.Dropdown(STAGES), ""),
        (lambda: gr.Dropdown([("one", 0)]), "0.0"),
        (lambda: gr.Radio([1, 2, 3]), "4"),
        (lambda: gr.CheckboxGroup(STAGES), '["none"]'),
        (lambda: gr.CheckboxGroup(STAGES), "both"),
        (lambda: gr.CheckboxGroup(STAGES), '{"both": 1}'),
        (lambda: gr.CheckboxGroup(STAGES), '["both"' + ',"both"' * 100 + "]"),
        (lambda: gr.CheckboxGroup(STAGES), '[["both"]]'),
        (lambda: gr.CheckboxGroup(STAGES), "[" * 5_000),
        (lambda: gr.CheckboxGroup(STAGES), f"[{'[' * 900}{']' * 900}]"),
        (lambda: gr.CheckboxGroup(STAGES), f"[{'7' * 5_000}]"),
        (lambda: gr.Dropdown(STAGES, multiselect=True, max_choices=1), '["both","causal"]'),
        (lambda: gr.Slider(1, 10), "many"),
        (lambda: gr.Slider(1, 10), "nan"),
        (lambda: gr.Number(), "inf"),
        (lambda: gr.Number(), "9" * 400),
        (lambda: gr.Checkbox(), "1"),
        (lambda: gr.Textbox(max_length=3), "abcd"),
        (lambda: gr.Textbox(), "x" * (LONGEST_LINK + 1)),
        (lambda: gr.File(), "/etc/passwd"),
        (lambda: gr.HTML(), "<b>"),
    ],
)
def test_what_the_page_could_not_have_said(component, value):
    with pytest.raises(InputError):
        restored(value, component())


def test_an_address_becomes_a_view():
    fields = {"a_n": gr.Slider(1, 9), "a_s": gr.Radio(["x", "y"]), "b_t": gr.Textbox()}
    query = {"tab": "a", "a_n": "99", "a_s": "z", "other": "1", "__theme": "dark"}
    assert view_of(query, fields, ["a", "b"]) == ("a", {"a_n": 9}, ["a_s"])
    assert view_of({"tab": "../x"}, fields, ["a", "b"]) == (None, {}, ["tab"])
    assert view_of({}, fields, ["a", "b"]) == (None, {}, [])


def test_one_notice_for_everything():
    assert complaint([], None) == ""
    told = complaint(["a_s", "tab"], "owner/" + "m" * 500)
    assert "left out (a_s, tab)" in told
    assert "made with the model 'owner/mmm" in told
    assert complaint([], "") == ""
    assert len(told) < 400


@pytest.mark.parametrize(
    ("tab", "fields", "place", "told"),
    [
        (
            "ladder",
            {"stage": "mntp", "text": "The _ barked at the <b>cat</b>.", "word": "dog"},
            "#ladder-filled", "dog",
        ),
        (
            "compare",
            {
                "texts": "A dog barks.\nThe dog is loud.\nSnow fell.", "left": "echo", "right": "supervised",
                "pooling": "last_token", "instruction": "Same meaning: ", "measure": "percentile",
            },
            "#compare-nearest", "Snow fell.",
        ),
        (
            "search",
            {"query": "Who guards a goal?", "left": "static", "right": "mntp", "pooling": "weighted_mean"},
            "#search-note", "Who guards a goal?",
        ),
        (
            "map",
            {
                "left": "bidirectional", "right": "static", "kind": "pca", "dim": "3", "color": "query",
                "query": "stars & planets", "clusters": "7", "neighbors": "9", "min_dist": "0.4",
                "metric": "euclidean", "seed": "5",
            },
            "[data-side=right] h3", "Static token embeddings (PCA)",
        ),
    ],
)  # fmt: skip
def test_a_link_restores_every_field_of_a_tab_and_what_they_show(open_page, tab, fields, place, told):
    given = {"tab": tab} | {f"{tab}_{name}": value for name, value in fields.items()}
    page = open_page(query=urlencode(given))
    expect(page.locator(place).first).to_contain_text(told)
    quiet(page)
    expect(page.locator("#link-notice .l2v-notice")).to_be_empty()
    if tab == "map":  # hidden for other colours
        expect(page.locator("#map-query").locator("textarea, input")).to_have_value(fields["query"])
    # What the page would hand on is what it was given.
    again = {name: values[0] for name, values in parse_qs(urlsplit(copied_link(page)).query).items()}
    assert {name: again.get(name) for name in given} == given


def test_what_a_link_cannot_carry_is_said_when_it_is_opened():
    fields = {"a_stage": gr.Dropdown(STAGES), "a_step": gr.Radio([1, 2])}
    assert view_of({"tab": "a", "a_stage": "own", "a_step": "own"}, fields, ["a"]) == ("a", {}, [])
    assert "carries no texts" in complaint([], None, own=True)
    assert "an adapter" in complaint([], None, adapter=True)
    assert "damaged" not in complaint([], None, own=True, adapter=True)


def test_a_link_carries_what_the_browser_alone_knows(open_page, server):
    """The switch, the ways of those who moved, the picked and the selected texts, the ladder's task."""
    page = open_page()

    page.locator("label:has(#l2v-see-bidi)").click()
    page.goto(copied_link(page))
    expect(page.locator("#l2v-see-bidi")).to_be_checked()
    expect(page.locator("#see-spine .l2v-see-when-bidi").first).to_be_visible()

    page.goto(f"{server}/?tab=map&map_kind=pca&map_lines=true&map_words=false&map_pick=17&map_rows=3.5.9999.x")
    expect(page.locator("#map-picked")).to_have_attribute("data-row", "17")
    expect(page.locator("#map-selection [data-pick]")).to_have_count(2)
    expect(page.locator(".l2v-map-lines")).to_be_checked()
    expect(page.locator(".l2v-map-words")).not_to_be_checked()
    again = parse_qs(urlsplit(copied_link(page)).query)
    assert (again["map_lines"], again["map_pick"], again["map_rows"]) == (["true"], ["17"], ["3.5"])
    assert again["map_words"] == ["false"]

    # With texts of one's own the link says that it leaves them out, and whoever opens it is told so.
    page.locator("#map-source").get_by_label("Your texts").check()
    again = parse_qs(urlsplit(copied_link(page)).query)
    expect(page.locator("#l2v-said")).to_contain_text("Your own texts are not in it")
    assert again["own"] == ["texts"]
    assert not {"map_pick", "map_rows"} & set(again)
    page.reload()
    expect(page.locator("#link-notice")).to_contain_text("A link carries no texts")

    kinds = page.locator("#ladder-kind label")
    page.goto(f"{server}/?tab=ladder")
    kinds.first.wait_for()
    quiet(page)
    kinds.first.click()
    name = kinds.first.inner_text()
    expect(page.locator("#ladder-chart .gtitle")).to_contain_text(name)
    page.goto(copied_link(page))
    expect(kinds.first.locator("input")).to_be_checked()
    expect(page.locator("#ladder-chart .gtitle")).to_contain_text(name)
