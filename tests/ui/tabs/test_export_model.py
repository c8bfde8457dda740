from __future__ import annotations

import csv
import inspect
import io
import re
import shlex
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from llm2vec_core.cli import main
from llm2vec_core.corpus.outputs import load_embeddings, stored_settings
from llm2vec_core.errors import InputError, MissingPackageError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.settings import Precision
from llm2vec_core.ui.api import NAMES, Endpoints
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.export import code, copy, model, view
from llm2vec_core.ui.tabs.export.endpoints import described
from llm2vec_core.ui.tabs.export.model import Made, Order, embed, export
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.turns import Turns
from llm2vec_core.ui.user_texts import Texts

LAST = BUNDLED.default.key
TEXTS = Texts("my texts.txt", ("=1+1 rivers", "b", "a much longer sentence about boats", "@x"), ("", "+l", "l2", "l2"))


@pytest.fixture(scope="module")
def context(context) -> AppContext:
    fewer = AppContext(BUNDLED, Limits(user_texts=600))
    fewer.cache = context.cache
    return fewer


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def made(context, order, texts=TEXTS, session=None) -> Made:
    *_, last = embed(context, session or Session(), texts, order)
    assert isinstance(last, Made)
    return last


def test_parquet_holds_texts_labels_embeddings_and_how_they_were_made(context):
    file = made(context, Order(LAST, instruction=" About: "))
    path = Path(file.path)
    assert (path.name, file.rows, file.dimensions, file.bytes) == (
        f"my_texts-{LAST}.parquet",
        4,
        384,
        path.stat().st_size,
    )
    vectors, texts = load_embeddings(path)
    assert tuple(texts) == TEXTS.texts
    expected = context.encoder(LAST).encode(list(TEXTS.texts), "About:", normalize=True)
    assert np.allclose(vectors, expected, atol=1e-5)
    assert stored_settings(path) == {
        "model": BUNDLED.label, "encoder": LAST, "normalize": True, "pooling_mode": "mean", "instruction": "About:",
        "precision": "full",
    }  # fmt: skip


def test_npy_is_in_the_order_of_the_texts_whatever_their_length(context, monkeypatch):
    # A larger model takes seconds for a few dozen texts; meanwhile the page is told nothing and Stop waits.
    first = list(embed(context, Session(), Texts("t", TEXTS.texts * 10), Order("causal")))[1]
    assert first == 32
    monkeypatch.setattr(model, "PIECE_TEXTS", 2)
    told = list(embed(context, Session(), TEXTS, Order("causal", "last_token", normalize=False, kind="npy")))
    assert told[:-1] == [0, 2, 4]
    expected = context.encoder("causal").encode(list(TEXTS.texts), pooling_mode="last_token")
    assert np.allclose(np.load(told[-1].path), expected, atol=1e-4)


def test_csv_runs_no_formula(context):
    with Path(made(context, Order("static", kind="csv")).path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:4] == ["row", "text", "label", "0"]
    assert [row[1] for row in rows[1:]] == ["'=1+1 rivers", "b", TEXTS.texts[2], "'@x"]
    assert rows[2][2] == "'+l"


def test_fewer_bits_are_offered_only_where_they_are_faster():
    assert [key for _, key in copy.precisions(("int8", "bfloat16"))] == list(get_args(Precision))
    assert [key for _, key in copy.precisions(("int8",))] == ["full", "int8"]
    assert [key for _, key in copy.precisions(())] == ["full"]


@pytest.mark.parametrize(("precision", "least"), [("bfloat16", 0.999), ("int8", 0.98)])
def test_fewer_bits_are_close_and_not_the_same(context, precision, least):
    exact, fast = (np.load(made(context, Order(LAST, precision=p, kind="npy")).path) for p in ("full", precision))
    cosines = (exact * fast).sum(axis=1)
    assert cosines.min() > least
    assert not np.array_equal(exact, fast)


def test_the_visitors_own_adapter_is_used(context):
    session = Session()
    session.encoder = context.encoder("causal")
    own = np.load(made(context, Order("own", kind="npy"), session=session).path)
    assert np.array_equal(own, np.load(made(context, Order("causal", kind="npy")).path))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"pooling": "max"}, "unknown pooling 'max'"),
        ({"precision": "int1"}, "unknown precision 'int1'; choose one of full, bfloat16, int8"),
        ({"kind": "../x"}, "unknown format '../x'; choose one of parquet, npy, csv"),
        ({"encoder": "own"}, "Your adapter is no longer here"),
        ({"encoder": "gpt"}, "'gpt' is not an encoder of"),
        ({"encoder": "static", "precision": "int8"}, "choose float32"),
        ({"encoder": "static", "pooling": "last_token"}, "choose 'mean'"),
        ({"instruction": "i" * 20_001}, "The instruction has 20,001 characters"),
    ],
)
def test_orders_that_cannot_be_met(context, order, message):
    with pytest.raises(InputError, match=message):
        made(context, Order(**{"encoder": LAST, **order}))


def test_too_many_texts_are_refused_before_anything_is_computed(context):
    many = Texts("many", ("a",) * 601)
    with pytest.raises(InputError, match="601 texts are too many for one file; the limit is 600"):
        next(embed(context, Session(), many, Order(LAST)))


def test_a_visitor_who_leaves_leaves_no_file(context, tmp_path):
    run = embed(context, Session(), TEXTS, Order(LAST))
    assert next(run) == 0
    run.close()
    assert list(tmp_path.iterdir()) == []


ORDERS = [
    Order(LAST, normalize=False),
    Order("causal", "weighted_mean", 'Say "it":\n', precision="int8"),
    Order("echo", "last_token"),
    Order("static"),
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.encoder)
def test_the_python_makes_the_same_embeddings(context, order):
    source = code.python(BUNDLED, order, TEXTS.texts, TEXTS.name)
    found: dict = {}
    exec(compile(source, "snippet", "exec"), found)
    path = made(context, replace(order, kind="npy")).path
    assert np.allclose(found["embeddings"], np.load(path), atol=1e-5 if order.precision == "full" else 0.05)


@pytest.mark.parametrize("order", [ORDERS[1], ORDERS[2]], ids=lambda order: order.encoder)
def test_the_command_makes_the_same_embeddings(context, order, tmp_path, monkeypatch):
    order = replace(order, precision="full", kind="npy", instruction=order.instruction.strip())
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("\n".join(TEXTS.texts))
    words = shlex.split(code.command(BUNDLED, order))
    assert words[:3] == ["python", "-m", "llm2vec_core"]
    assert main(words[3:]) in (0, None)
    assert np.allclose(np.load("embeddings.npy"), np.load(made(context, order).path), atol=1e-5)


def test_hostile_words_stay_words_in_code():
    order = Order(LAST, instruction="'); import os; os.remove('x') #\n$(rm -rf /)`id`")
    source = code.python(BUNDLED, order, ('"""', "\\", "\n'"), "a\nimport os")
    assert "\nimport os" not in source
    words = shlex.split(code.command(BUNDLED, order))
    assert words[words.index("--instruction") + 1] == order.instruction
    many = code.python(BUNDLED, Order(LAST), tuple("abcdefg"), "x\nimport evil")
    assert "the first 5 of 7" in many
    assert "\nimport evil" not in many


def test_code_for_a_model_of_the_hub():
    hub = replace(BUNDLED, key="hub:owner/name", base="owner/name", settings={"max_length": 64})
    order = Order("causal")
    assert "LLM2Vec.from_pretrained('owner/name', adapters=[], max_length=64, bidirectional=False)" in code.python(
        hub, order, ("a",), "x"
    )
    assert code.command(hub, order) == ""  # the command has no such option for every setting
    assert "--model owner/name --causal --normalize" in code.command(replace(hub, settings={}), order)


def test_the_exported_folder_gives_the_same_embeddings(context, tmp_path):
    path = Path(export(context, Session(), LAST))
    assert path.name == f"llm2vec-mini-{LAST}.zip"
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert all(name.startswith(f"llm2vec-mini-{LAST}/") for name in archive.namelist())
        archive.extractall(tmp_path / "elsewhere")
    source = copy.EXPORT_PYTHON.format(folder=f"llm2vec-mini-{LAST}").replace(
        '("llm2vec', f'("{tmp_path}/elsewhere/llm2vec'
    )
    found: dict = {}
    exec(compile(source, "example", "exec"), found)
    ours = context.encoder(LAST).encode(["The bank was steep and muddy."])
    assert np.allclose(found["model"].encode(["The bank was steep and muddy."]), ours, atol=1e-4)


def test_what_cannot_be_exported_says_why(context, monkeypatch):
    with pytest.raises(InputError, match="not a transformer"):
        export(context, Session(), "static")
    hub = AppContext(replace(BUNDLED, key="hub:o/n", base="o/n"))
    with pytest.raises(
        InputError, match=r"Only LLM2Vec-mini can be downloaded .* 41 MB\. .* convert o/n --out my-encoder"
    ):
        export(hub, Session(), LAST)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingPackageError, match=r"sentence-transformers: pip install '\.\[export\]'"):
        export(context, Session(), LAST)


def test_shown_code_is_escaped_and_knows_where_the_page_is():
    html = view.code_block("<script>alert(1)</script> ORIGIN/x ORIGIN", "<b>", "i")
    assert "<script" not in html
    assert re.search(
        r'&gt; <span class="l2v-origin">ORIGIN</span>/x <span class="l2v-origin">ORIGIN</span></code>', html
    )


def test_the_time_left_is_what_the_share_says():
    assert "about 5 s left" in render("export/progress.html", done=1, total=2, seconds=5.0)
    assert "left" not in render("export/progress.html", done=2, total=2, seconds=5.0)
    assert "left" not in render("export/progress.html", done=0, total=0, seconds=5.0)
    made = model.Made("x", 1, 3, 10)
    assert "1 row of 3 numbers" in render("export/made.html", made=made, name="x", size="10 bytes", seconds=0.0)


def test_endpoints_are_described_as_their_functions_are(context):
    for name in NAMES:
        function = getattr(Endpoints(context), name)
        found = described(function)
        assert [argument.name for argument in found.arguments] == list(inspect.signature(function).parameters)
        assert all(argument.meaning and argument.type for argument in found.arguments)
        assert found.name == name and found.summary and found.returns


def test_an_untouched_instruction_is_none_and_no_text():
    assert Order("simcse", instruction=None).instruction == ""


def test_a_refused_order_leaves_no_progress_and_no_file_behind_locked(context):
    shown: dict[str, object] = {}
    with pytest.raises(InputError, match="mean pooling only"):
        for results in view.make_file(
            Turns(*copy.QUEUE), context, Session(), "ours", encoder="static", pooling="last_token"
        ):
            shown |= results
    assert shown == {"status": ""}
    first, *_, last = view.make_file(Turns(*copy.QUEUE), context, Session(), "ours", encoder="static")
    assert "of 324" in first["status"] and last["download"]["interactive"] is True
