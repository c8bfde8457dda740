from __future__ import annotations

import threading

import numpy as np
import pytest

from llm2vec_core.bundled_data import passages, queries
from llm2vec_core.errors import InputError
from llm2vec_core.ui.choices import OWN_STAGE
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.visitor import Visitor


@pytest.fixture(scope="module")
def context() -> AppContext:
    return AppContext()


def test_things_are_made_once_however_many_ask(context):
    made = []

    def make():
        made.append(1)
        return object()

    found = []
    threads = [threading.Thread(target=lambda: found.append(context._once("thing", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(map(id, found))) == 1


def test_stages_that_differ_in_direction_alone_share_their_weights(context):
    causal, bidirectional = context.encoder("causal"), context.encoder("bidirectional")
    assert causal.model.embed_tokens.weight is bidirectional.model.embed_tokens.weight
    assert causal.prefix_test().is_causal
    assert bidirectional.prefix_test().is_bidirectional


def test_scores_of_the_collection_against_a_loop(context):
    embeddings = context.collection("bidirectional")
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    ids = [p.id for p in passages()]
    scores = []
    for query in queries():
        order = np.argsort(-(unit @ context.encoder("bidirectional").encode(query.query)))
        gains = [1 / np.log2(rank + 2) for rank, row in enumerate(order[:10]) if ids[row] in query.relevant]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(10, len(query.relevant))))
        scores.append(sum(gains) / ideal)
    found = context.query_scores("bidirectional").estimate("ndcg_at_10").score
    assert found == pytest.approx(np.mean(scores), abs=1e-6)


def test_a_visitor_without_an_adapter_sees_the_bundled_stages(context):
    visitor = Visitor()
    stages = [stage.key for stage in context.preset.stages]
    assert [choice.key for choice in visitor.choices(context)] == stages
    assert [choice.key for choice in visitor.choices(context, causal=False)] == stages[1:]
    assert [choice.key for choice in visitor.choices(context, rivals=True)] == [*stages, "echo", "static"]
    assert visitor.encoder_for("causal", context) is context.encoder("causal")


def test_a_visitors_adapter_is_that_visitors_alone(context):
    one, other = Visitor(), Visitor()
    one.encoder = context.encoder("mntp")
    assert one.choices(context)[-1].key == OWN_STAGE
    assert OWN_STAGE not in [choice.key for choice in other.choices(context)]
    assert one.encoder_for(OWN_STAGE, context) is one.encoder
    with pytest.raises(InputError, match="Train it again"):
        other.encoder_for(OWN_STAGE, context)
    assert one.yardstick_for(OWN_STAGE, "mean", context) is one.yardstick_for(OWN_STAGE, "mean", context)
    first = one.yardstick_for(OWN_STAGE, "mean", context)
    one.forget_measurements()
    assert one.yardstick_for(OWN_STAGE, "mean", context) is not first


def test_an_adapter_of_one_model_is_not_offered_for_another(context):
    visitor = Visitor()
    visitor.encoder, visitor.own_model_key = context.encoder("mntp"), "qwen3-0.6b"
    assert OWN_STAGE not in [choice.key for choice in visitor.choices(context)]
    with pytest.raises(InputError, match="belongs to the model"):
        visitor.encoder_for(OWN_STAGE, context)


def test_an_unknown_encoder_is_named_with_those_there_are(context):
    with pytest.raises(InputError, match=r"'nobody' is no encoder of .* choose one of causal, bidirectional"):
        Visitor().encoder_for("nobody", context)


def test_rivals_are_encoders_too(context):
    for key in ("echo", "static"):
        assert Visitor().encoder_for(key, context).encode(["river", "bank"]).shape == (2, 384)
