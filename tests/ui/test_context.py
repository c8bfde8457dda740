from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.bundled_data import passages, queries
from llm2vec_core.errors import InputError
from llm2vec_core.ui.encoders import USER_ADAPTER
from llm2vec_core.ui.models import Models
from llm2vec_core.ui.session import Session


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
    session = Session()
    stages = [stage.key for stage in context.preset.stages]
    assert [choice.key for choice in session.choices(context)] == stages
    assert [choice.key for choice in session.choices(context, causal=False)] == stages[1:]
    assert [choice.key for choice in session.choices(context, baselines=True)] == [*stages, "echo", "static"]
    assert session.encoder_for("causal", context) is context.encoder("causal")


def test_a_visitors_adapter_is_that_visitors_alone(context):
    one, other = Session(), Session()
    one.encoder = context.encoder("mntp")
    assert one.choices(context)[-1].key == USER_ADAPTER
    assert USER_ADAPTER not in [choice.key for choice in other.choices(context)]
    assert one.encoder_for(USER_ADAPTER, context) is one.encoder
    with pytest.raises(InputError, match="Train it again"):
        other.encoder_for(USER_ADAPTER, context)
    assert one.yardstick_for(USER_ADAPTER, "mean", context) is one.yardstick_for(USER_ADAPTER, "mean", context)
    first = one.yardstick_for(USER_ADAPTER, "mean", context)
    one.forget_measurements()
    assert one.yardstick_for(USER_ADAPTER, "mean", context) is not first


def test_an_adapter_of_one_model_is_not_offered_for_another(context):
    session = Session()
    session.encoder, session.own_model_key = context.encoder("mntp"), "qwen3-0.6b"
    assert USER_ADAPTER not in [choice.key for choice in session.choices(context)]
    with pytest.raises(InputError, match="belongs to the model"):
        session.encoder_for(USER_ADAPTER, context)


def test_an_unknown_encoder_is_named_with_those_there_are(context):
    with pytest.raises(InputError, match=r"'nobody' is not an encoder of .* choose one of causal, bidirectional"):
        Session().encoder_for("nobody", context)


@pytest.mark.parametrize("value", [None, [], ["causal"], {}, 7, float("nan"), 10**5_000], ids=lambda v: str(type(v)))
def test_choices_that_no_field_of_the_page_sends(context, value):
    with pytest.raises(InputError, match=r"is not an encoder of .* choose one of causal, bidirectional"):
        Session().encoder_for(value, context)
    for call in (Session().handle, Session().yardstick_for):
        with pytest.raises(InputError, match="is not a pooling mode; choose one of mean"):
            call("causal", *((value, context) if call.__name__ == "yardstick_for" else (context, value)))
    with pytest.raises(InputError, match="unknown model"):
        list(Models().load(value, object()))


def test_rivals_are_encoders_too(context):
    for key in ("echo", "static"):
        assert Session().encoder_for(key, context).encode(["river", "bank"]).shape == (2, 384)
