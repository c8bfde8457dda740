from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from markupsafe import Markup

from llm2vec_core.baselines import StaticEmbeddings
from llm2vec_core.bundled_data import passages, queries
from llm2vec_core.cache import size_of
from llm2vec_core.errors import InputError
from llm2vec_core.search import SearchIndex
from llm2vec_core.ui.encoders import USER_ADAPTER
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.search import copy, model, view
from llm2vec_core.ui.tabs.search.code import search_snippet
from llm2vec_core.ui.turns import Turns
from llm2vec_core.ui.user_texts import USER_TEXTS, Texts, our_collection
from tests.ui.test_paint import EVIL, Tags

FIRST = copy.EXAMPLES[0].query


@pytest.fixture
def session():
    return Session()


def answer(context, session, texts, query="river", left="static", right="static", pooling="mean", instruction=""):
    encoders = view.encoders_of(context, session, left, right, pooling, instruction)
    return model.search(context, texts, encoders, query)


def html(context, found, *names):
    shown = view.shown(context, found)
    return "".join(shown[name] for name in names or ("note", "left_hits", "right_hits", "below"))


def index_run(context, session, left, right):
    fields = {"source": USER_TEXTS, "left": left, "right": right, "pooling": "mean", "instruction": ""}
    return (step["status"] for step in view.index(Turns(*copy.QUEUE), context, session, **fields))


def indexes_of(session):
    return [key for key in session.cache if key[0] == "index"]


def handles(context, session, *keys):
    return [session.handle(key, context) for key in keys]


def own(*words: str, labels: tuple[str, ...] | None = None) -> Texts:
    return Texts("mine.csv", words, labels)


def show(context, session, texts, **changes):
    session.texts = texts
    return answer(context, session, texts, **changes)


def test_the_first_example_shows_what_it_is_for(context, session):
    first, last = context.preset.stages[0], context.preset.default
    found = answer(context, session, our_collection(), FIRST, first.key, last.key)
    before, after = found.first_rank(found.left), found.first_rank(found.right)
    assert after < before, (
        f"with these weights {last.label} has the answer of the first example at rank {after}, "
        f"{first.label} at {before}: put another question first in EXAMPLES of ui/tabs/search/copy.py"
    )
    note = html(context, found, "note")
    assert f"rank <b>{before}</b> with {first.label}" in note
    assert f"rank <b>{after}</b> with" in note
    # Scores of both encoders are those over all labelled queries, asked one at a time.
    for side in (found.left, found.right):
        unit = context.collection(side.encoder.key)
        unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
        ranks = []
        for query in queries()[:10]:
            cosines = unit @ context.encoder(side.encoder.key).encode(query.query)
            ranks.append(
                1 + min(int(sum(cosines > cosines[i])) for i, p in enumerate(passages()) if p.id in query.relevant)
            )
        assert side.scores.first_ranks[:10].tolist() == ranks
    below = html(context, found, "below")
    Tags(below)
    assert f"averaged over our {len(queries())} questions" in below and "known answer</th>" in below
    low = found.right.scores.estimate("mrr")
    assert f"{low.score:.3f} [{low.low:.3f}, {low.high:.3f}]" in below
    # Over the slopes both names stand whole.
    slopes = below[below.index('id="search-queries"') :]
    assert all(f">{choice.label}</text>" in slopes for choice in (found.left.encoder, found.right.encoder))


def test_every_example_is_a_labelled_question():
    known = {q.query for q in queries()}
    assert all(example.query in known for example in copy.EXAMPLES)


def test_an_instruction_goes_before_the_question_alone(context, session):
    key = context.preset.stages[0].key
    plain, told = (
        answer(context, session, our_collection(), FIRST, key, "static", instruction=words)
        for words in ("", "Find a passage about health:")
    )
    expected = context.index(key).rank(context.encoder(key).encode(FIRST, "Find a passage about health:"))
    np.testing.assert_allclose(told.left.ranking.cosines, expected.cosines, atol=1e-5)
    assert np.abs(told.left.ranking.cosines - plain.left.ranking.cosines).max() > 1e-3
    np.testing.assert_array_equal(told.right.ranking.cosines, plain.right.ranking.cosines)  # bare words read none
    assert told.left.scores.values["mrr"].tolist() != plain.left.scores.values["mrr"].tolist()


def test_own_texts_and_their_labels(context, session):
    texts = own(
        "red apple", "green apple", "blue sea", "a deep sea", "sea and apple", "alone",
        labels=("fruit", "fruit", "water", "water", "", "single"),
    )  # fmt: skip
    found = show(context, session, texts, query="apple")
    encoder: StaticEmbeddings = context.encoder("static")
    vectors = encoder.encode(list(texts.texts), normalize=True)
    cosines = vectors @ encoder.encode("apple", normalize=True)
    assert found.left.ranking.order.tolist() == np.argsort(-cosines, kind="stable").tolist()
    assert found.asked.rows == (0, 1, 2, 3)
    near = vectors @ vectors.T
    partner = {0: 1, 1: 0, 2: 3, 3: 2}
    expected = [1 + sum(near[a, j] > near[a, b] for j in range(6) if j not in (a, b)) for a, b in partner.items()]
    assert found.left.scores.first_ranks.tolist() == expected
    assert "recall@10" not in html(context, found, "below")
    below = " ".join(html(context, found, "below").split())
    assert "Each line is a text." in below and "with other texts of this kind" in below
    assert "all of your texts with the same label count" in below
    assert (
        "rank of the first text with the same label (rank 1: 1, rank 2: 0.5, rank 10: 0.1), averaged over 4 of your texts"
        in below
    )
    assert "question" not in below and "answer" not in below
    assert "no answer key" in html(context, found, "note")


def test_texts_without_labels_have_no_scores(context, session):
    found = show(context, session, own("one", "two", "three"))
    assert found.left.scores is None
    assert "No scores: these texts have no labels" in html(context, found, "below")
    unlike = show(context, session, own("one", "two", labels=("a", "b")))
    assert unlike.left.scores is None
    assert "No scores: no label occurs more than once" in html(context, unlike, "below")


def test_lists_of_all_texts_are_not_said_to_agree(context, session):
    for words, told in (
        (("one", "two"), "Both lists hold all 2 texts; only"),
        (("one",), "Both lists hold the only text."),
    ):
        note = html(context, show(context, session, own(*words)), "note")
        assert told in note and "in both lists" not in note
    assert "8 of the first 8 are in both lists" in html(context, show(context, session, own(*"abcdefghi")), "note")


def test_one_text_and_equal_texts(context, session):
    assert show(context, session, own("only one")).left.ranking.order.tolist() == [0]
    equal = show(context, session, own(*["the same"] * 30, labels=("a", "b") * 15), right=context.preset.stages[1].key)
    for side in (equal.left, equal.right):
        assert side.ranking.order.tolist() == list(range(30))
        assert len(set(side.ranking.cosines.tolist())) == 1
    shown = html(context, equal, "left_hits", "below")
    Tags(shown)
    assert shown.count("= same rank") == 8
    assert "Both encoders have the same nDCG@10" in shown


def test_more_texts_wait_for_the_button_and_stop_leaves_what_was_there(session, context, monkeypatch):
    monkeypatch.setattr(context, "limits", replace(Limits(), index_at_once=2))
    monkeypatch.setattr(model, "CHUNK", 2)
    few = own("a", "b")
    show(context, session, few)
    many = own("north", "south", "east", "west", "north")
    with pytest.raises(InputError, match=r"5 texts are loaded, but not yet indexed with Static.*Index my texts"):
        show(context, session, many)
    run = index_run(context, session, "static", "static")
    assert "2 of 4 vectors (50%)" in next(run)
    assert indexes_of(session) == []  # those of the texts before are gone, nothing half done is there
    run.close()
    with pytest.raises(InputError, match="not yet indexed"):
        show(context, session, many)
    *_, last = index_run(context, session, "static", "static")
    assert "5 texts are indexed" in last
    hits = show(context, session, many, query="north").left.ranking.hits(2)
    assert [hit.index for hit in hits] == [0, 4]  # equal texts, in their order
    # Another encoder: stopped half way, the earlier index still answers.
    before = indexes_of(session)
    run = index_run(context, session, "static", context.preset.stages[0].key)
    next(run)
    run.close()
    assert indexes_of(session) == before
    assert show(context, session, many, query="north").left.ranking.hits(1)[0].index == 0
    # Finished, the pair that was asked for is kept, and no third one.
    for right in (context.preset.stages[0].key, context.preset.stages[1].key):
        list(index_run(context, session, "static", right))
    assert [key[3] for key in indexes_of(session)] == ["static", context.preset.stages[1].key]
    *_, last = index_run(context, session, "static", context.preset.stages[1].key)
    assert "already" in last


def test_an_adapter_that_learned_is_indexed_anew(context, session):
    session.encoder = context.encoder(context.preset.stages[1].key)
    texts = own("a river", "a bank")
    show(context, session, texts, right=USER_ADAPTER)
    assert model.missing(texts, handles(context, session, USER_ADAPTER)) == []
    session.forget_measurements()
    (left,) = model.missing(texts, handles(context, session, USER_ADAPTER, "static"))
    assert left.key == USER_ADAPTER
    assert [h.shares(our_collection()) for h in handles(context, session, USER_ADAPTER, "static")] == [False, True]
    show(context, session, texts, right=USER_ADAPTER)
    session.texts = own("others")
    assert indexes_of(session) == []


def test_two_visitors_do_not_share_an_index(context):
    one, other = Session(), Session()
    texts = own("mine alone")
    show(context, one, texts)
    assert len(other.cache) == 0
    assert [h.key for h in model.missing(texts, handles(context, other, "static"))] == ["static"]


def test_an_index_that_is_too_large_is_refused_before_it_is_made(context, session, monkeypatch):
    monkeypatch.setattr(context, "limits", replace(Limits(), index_megabytes=0))
    with pytest.raises(InputError, match=r"2 texts with vectors of 384 numbers takes 0 MiB; at most 0 fit"):
        show(context, session, own("a", "b"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": "  "}, "The question is empty"),
        ({"query": None}, "The question is empty"),
        ({"query": "x" * 20_001}, "20,001 characters"),
        ({"pooling": "median"}, "'median' is not a pooling mode"),
        ({"instruction": "x" * 501}, "The instruction has 501"),
    ],
)
def test_bad_fields(context, session, changes, message):
    values = {"query": "q", "left": "causal", "right": "causal", "pooling": "mean", "instruction": ""} | changes
    with pytest.raises(InputError, match=message):
        list(view.search(context, session, "ours", **values))


def asked(context, session, **changes):
    fields = {"source": USER_TEXTS, "query": "q", "left": "static", "right": "causal", "pooling": "mean"}
    return list(view.search(context, session, instruction="", **fields | changes))


def test_a_search_that_indexes_tells_how_far_it_is_and_clears_that_in_the_end(context, session, monkeypatch):
    monkeypatch.setattr(model, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(model, "CHUNK", 2)
    session.texts = own(*(f"Text {number}." for number in range(6)))
    *steps, last = asked(context, session)
    told = [re.findall(r"<b>(.*?)</b>: (\d+) of (\d+)", step["status"]) for step in steps]
    labels = [handle.label for handle in handles(context, session, "static", "causal")]
    assert told == [[(label, done, "6")] for label in labels for done in ("2", "6")]
    assert last["status"] == "" and "note" in last
    (again,) = asked(context, session, query="another")
    assert "status" not in again, "nothing was indexed, and what stands there stays"


def test_a_search_that_fails_while_it_indexes_leaves_no_progress(context, session, monkeypatch):
    def breaks(*arguments, report, **options):
        report(model.IndexProgress("Causal", 1, 2, 3.0))
        raise InputError("broken")

    monkeypatch.setattr(model, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(model, "search", lambda *arguments: breaks(report=arguments[-1]))
    session.texts = own("a", "b")
    found = view.search(context, session, USER_TEXTS, "q", "static", "causal", "mean", "")
    assert "1 of 2" in next(found)["status"]
    assert next(found) == {"status": ""}
    with pytest.raises(InputError, match="broken"):
        next(found)


def test_an_unknown_encoder(context, session):
    with pytest.raises(InputError, match="'nobody' is not an encoder"):
        show(context, session, own("a"), left="nobody")


def test_texts_of_others_are_escaped_everywhere(context, session):
    texts = own(EVIL, EVIL + " and more", "=1+1", labels=(EVIL, EVIL, "ok"))
    found = show(context, session, texts, query=EVIL, instruction=EVIL)
    tags = Tags(html(context, found))
    assert "img" not in tags.names
    assert not {name for name in tags.attributes if name.startswith("on")}


def test_rank_changes_and_the_table_agree(context, session):
    words = ("a cat", "the dog was asleep", "the cat sat on a mat", "dogs bark", "a red hat", "cats and hats are here")
    found = show(context, session, own(*words), query="cat", right=context.preset.stages[0].key)
    left, right = (side.ranking.order.tolist() for side in (found.left, found.right))
    assert left != right
    hits = html(context, found, "left_hits")
    shown = re.findall(r'data-row="(\d)".*?data-elsewhere="(\d)".*?class="rank">(\d)<', hits)
    assert shown == [(str(row), str(right.index(row) + 1), str(i + 1)) for i, row in enumerate(left)]
    moves = re.findall(r'<span class="(?:up|down|same)"[^>]*>(.*?)</span>', hits)
    changes = [right.index(row) - i for i, row in enumerate(left)]
    assert moves == ["= same rank" if not c else f"{'▲' if c > 0 else '▼'} {abs(c)}" for c in changes]
    table = re.findall(r"<tr><td>(.*?)</td><td>(\d)</td><td>(\d)</td>", html(context, found, "below"))
    assert [(int(rank), int(other)) for _, rank, other in table[:6]] == [
        (i + 1, right.index(row) + 1) for i, row in enumerate(left)
    ]
    assert len(table) == 12


@pytest.mark.parametrize("source", ["ours", "own"])
def test_the_python_gives_the_same_lists(context, session, source):
    first, last = context.preset.stages[0].key, context.preset.default.key
    if source == "ours":
        found = answer(context, session, our_collection(), FIRST, first, "static")
    else:
        texts = own('it\'s a "bank"\n', "a river\\", "música <b>")
        found = show(context, session, texts, query="river's", left="echo", right=last, pooling="weighted_mean",
                     instruction="Find 'it':")  # fmt: skip
    scope: dict = {}
    exec(search_snippet(found, context.preset, 5), scope)
    for side, hits in zip((found.left, found.right), scope["lists"], strict=True):
        assert [hit.index for hit in hits] == side.ranking.order[:5].tolist()
        np.testing.assert_allclose([hit.cosine for hit in hits], [h.cosine for h in side.ranking.hits(5)], atol=1e-5)


def test_the_python_of_many_texts_and_of_an_adapter_can_be_read(context, session):
    session.encoder = context.encoder("bidirectional")
    found = show(context, session, own(*(f"text {i}" for i in range(300))), right="static")
    code = search_snippet(
        replace(found, left=replace(found.left, encoder=session.handle(USER_ADAPTER, context))), context.preset, 5
    )
    compile(code, "snippet", "exec")
    assert 'json.loads(Path("texts.json").read_text())' in code
    assert 'LLM2Vec.from_pretrained("your-adapter")' in code


def test_twenty_thousand_vectors_take_the_room_that_is_stated():
    rows = np.random.default_rng(0).normal(size=(2000, 256)).astype(np.float32)
    index = SearchIndex(rows)
    assert index._unit.nbytes == rows.nbytes == 2000 * 256 * 4
    assert size_of(index) < 1.05 * rows.nbytes  # and no second copy


def test_what_an_example_is_about_is_said_of_our_collection_alone(context, session):
    """Of a visitor's texts nobody knows what the answer says."""
    for example in copy.EXAMPLES:
        ours = html(context, answer(context, session, our_collection(), query=example.query), "note")
        assert str(Markup.escape(example.point)) in ours
        told = html(context, show(context, session, own("A record.", "A needle."), query=example.query), "note")
        assert str(Markup.escape(example.point)) not in told
        assert "marked ✓" not in told
