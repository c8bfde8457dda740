"""The lesson as a notebook: it is one, and every cell of code runs and prints what its words say."""

from __future__ import annotations

import contextlib
import io
import json
import re

from llm2vec_core.constants import stored_constants
from llm2vec_core.presets import ASSETS

NOTEBOOK = ASSETS / "docs" / "lesson.ipynb"


def test_the_notebook_runs_and_shows_what_it_says():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in notebook["cells"]:
            assert cell["cell_type"] in ("markdown", "code")
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []  # what another machine printed is not this one's
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    shown = printed.getvalue()
    assert re.search(r"bank +1\.000000", shown)
    assert re.findall(r"(causal before|bidirectional after): (True|False)", shown) == [
        ("causal before", "True"),
        ("bidirectional after", "True"),
    ]
    separations = dict(re.findall(r"(\w+) +separation ([\d.]+)", shown))
    assert list(separations) == ["causal", "bidirectional", "mntp", "simcse"]
    assert all(float(value) > 0.9 for value in separations.values())


def test_what_it_tells_of_the_larger_model_is_what_is_stored():
    text = NOTEBOOK.read_text(encoding="utf-8")
    for stage in ("causal", "bidirectional"):
        cosines = stored_constants("smollm2").pair_cosines(stage)
        assert f"{cosines.separation().score:.3f}" in text
