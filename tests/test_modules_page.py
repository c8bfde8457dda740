from __future__ import annotations

import pkgutil
import re

import pytest

import llm2vec_core
from llm2vec_core.errors import InputError
from llm2vec_core.modules_page import PAGE, page, summary


def test_the_page_is_what_the_docstrings_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m llm2vec_core.modules_page`"


def test_every_module_that_python_finds_has_its_row():
    listed, package = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if section := re.match(r"## `(.+)/`$", line):
            package = section[1].replace("/", ".")
            listed.add(package)
        elif row := re.match(r"\| `(\w+)\.py` \| \S", line):
            listed.add(f"{package}.{row[1]}")
    importable = {module.name for module in pkgutil.walk_packages(llm2vec_core.__path__, "llm2vec_core.")}
    assert listed == importable | {"llm2vec_core"}


def test_a_docstring_becomes_a_cell(tmp_path):
    module = tmp_path / "a.py"
    module.write_text('"""Reads ``a | b``,\nas :func:`read` does.\n\nMore of it.\n"""\n')
    assert summary(module) == r"Reads `a \| b`, as `read` does."


@pytest.mark.parametrize("text", ["", "x = 1\n", "# Only a comment.\n", '""" """\n'])
def test_a_module_that_says_nothing_is_refused_by_name(tmp_path, text):
    (tmp_path / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "silent.py").write_text(text)
    with pytest.raises(InputError, match=r"silent\.py"):
        page(tmp_path)
