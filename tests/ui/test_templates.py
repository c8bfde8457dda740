"""Every template of the page, rendered with markup in every string."""

from __future__ import annotations

import re

import jinja2
import pytest
from jinja2 import meta, nodes
from markupsafe import Markup

from llm2vec_core.ui.templates import ENVIRONMENT, HERE, figure, render
from tests.ui.test_paint import Tags

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


class Hostile(float):
    """Whatever a template does with a value: a number that prints as markup, with attributes and items of its kind."""

    def __new__(cls):
        return super().__new__(cls, 0.5)

    def __str__(self):
        return EVIL

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Hostile()

    def __getitem__(self, key):
        return Hostile()

    def __call__(self, *args, **options):
        return Hostile()

    def __iter__(self):
        return iter([Hostile() for _ in range(3)])

    def __len__(self):
        return 3

    def __contains__(self, item):
        return False

    def __add__(self, other):
        return [*self, *other] if isinstance(other, list) else super().__add__(other)


@pytest.fixture
def hostile(monkeypatch):
    """The filters that take texts and whole numbers take a hostile value too."""
    for name, function in (("shortened", lambda value, limit: str(value)), ("written", str), ("commas", str)):
        monkeypatch.setitem(ENVIRONMENT.filters, name, function)
    for name in ("sample", "topic_sample", "line_sample"):
        monkeypatch.setitem(ENVIRONMENT.globals, name, lambda *args: EVIL)
    monkeypatch.setitem(ENVIRONMENT.filters, "abs", lambda value: value)
    monkeypatch.setattr(ENVIRONMENT, "cache", None)  # compiled templates bind their filters


TEMPLATES = sorted(ENVIRONMENT.list_templates())


def source(name: str) -> str:
    return ENVIRONMENT.loader.get_source(ENVIRONMENT, name)[0]


def test_all_files_are_found():
    assert len(TEMPLATES) == len(list(HERE.rglob("templates/*.html"))) > 5


@pytest.mark.parametrize("name", TEMPLATES)
def test_markup_in_any_string_is_text(name, hostile):
    tree = ENVIRONMENT.parse(source(name))
    values = {variable: Hostile() for variable in meta.find_undeclared_variables(tree) - set(ENVIRONMENT.globals)}
    template = ENVIRONMENT.get_template(name)
    shown = [template.render(values)]
    # Macros of a file that others import are rendered too.
    for macro in tree.find_all(nodes.Macro):
        if macro in tree.body:
            function = getattr(template.make_module(values), macro.name)
            caller = {"caller": Hostile()} if function.caller else {}
            shown.append(function(*(Hostile() for _ in macro.args), **caller))
    html = "".join(shown)
    assert EVIL not in html
    tags = Tags(html)
    assert not {"script", "img"} & set(tags.names)
    assert not {attribute for attribute in tags.attributes if attribute.startswith("on")}
    # The test is about something: what it was given stands there as text.
    assert "&lt;script&gt;" in html or not values


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_marks_anything_as_safe(name):
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", source(name))


def test_a_name_without_a_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="message"):
        render("status.html")


def test_what_is_markup_stays_and_what_is_not_is_escaped():
    html = figure("<b>", Markup("<svg></svg>"), name='"', notice="<i>", columns=["<u>"], rows=[["<s>"]])
    assert "<svg></svg>" in html
    assert "<h3>&lt;b&gt;</h3>" in html
    assert not {"b", "i", "u", "s"} & set(Tags(html.replace("<b>What to notice.</b>", "")).names)
