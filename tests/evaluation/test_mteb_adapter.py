"""mteb evaluates our encoder and finds what scipy finds on the very embeddings."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import mteb
import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskRetrieval, AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import EncoderProtocol
from mteb.types import PromptType
from scipy.stats import spearmanr

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, MissingPackageError
from llm2vec_core.evaluation.mteb_adapter import as_mteb_encoder

PAIRS = [
    ("A river runs through the valley.", "Through the valley flows a river.", 4.8),
    ("The bank lent them the money.", "They got a loan from the bank.", 4.5),
    ("The boat lay at the bank of the river.", "A boat was on the shore of the river.", 4.1),
    ("He plays the piano every night.", "Every evening he plays the violin.", 3.0),
    ("The king built a church in the town.", "The town had a church and a school.", 2.4),
    ("The bank lent them the money.", "The bank of the river was steep.", 1.0),
    ("Water boils at one hundred degrees.", "The school was built in the town.", 0.2),
    ("He plays the piano every night.", "Water boils at one hundred degrees.", 0.0),
]
DOCUMENTS = {
    "d1": "The river rises in the mountains and flows into the sea.",
    "d2": "The bank raised its interest rate for loans.",
    "d3": "The church was built of stone in the old town.",
}
QUERIES = {"q1": "where does the river flow", "q2": "interest on a loan", "q3": "an old church of stone"}
RELEVANT = {"q1": {"d1": 1}, "q2": {"d2": 1}, "q3": {"d3": 1}}
ABOUT = {
    "description": "A few sentences.",
    "dataset": {"path": "none", "revision": "none"},
    "eval_langs": ["eng-Latn"],
}


class Twins(AbsTaskSTS):
    metadata = TaskMetadata(name="Twins", type="STS", main_score="cosine_spearman", **ABOUT)

    def load_data(self, **_):
        first, second, score = zip(*PAIRS, strict=True)
        rows = Dataset.from_dict({"sentence1": first, "sentence2": second, "score": score})
        self.dataset, self.data_loaded = DatasetDict({"test": rows}), True


class Finds(AbsTaskRetrieval):
    metadata = TaskMetadata(name="Finds", type="Retrieval", main_score="ndcg_at_10", **ABOUT)

    def load_data(self, **_):
        split = {
            "queries": Dataset.from_list([{"id": key, "text": text} for key, text in QUERIES.items()]),
            "corpus": Dataset.from_list([{"id": key, "text": text} for key, text in DOCUMENTS.items()]),
            "relevant_docs": RELEVANT,
            "top_ranked": None,
        }
        self.dataset, self.data_loaded = {"default": {"test": split}}, True


def evaluate(model, task) -> dict:
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    (scores,) = result.task_results[0].scores["test"]
    return scores


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.mark.parametrize("instruction", [None, "Find a sentence that means the same:"])
def test_spearman_is_the_one_of_the_embeddings(bundled, instruction):
    instructions = {"STS": instruction} if instruction else {}
    scores = evaluate(as_mteb_encoder(bundled, instructions=instructions), Twins())
    first, second, gold = zip(*PAIRS, strict=True)
    ours = cosines(bundled.encode(first, instruction), bundled.encode(second, instruction))
    assert scores["cosine_spearman"] == pytest.approx(spearmanr(ours, gold).statistic, abs=1e-4)
    assert scores["spearman"] == pytest.approx(spearmanr(ours, gold).statistic, abs=1e-4)
    assert scores["cosine_pearson"] == pytest.approx(np.corrcoef(ours, gold)[0, 1], abs=1e-4)


def test_retrieval_puts_the_instruction_before_queries_alone(bundled):
    class Heard(LLM2Vec):
        def encode(self, texts, instruction=None, **options):
            heard.append((tuple(sorted(texts)), instruction))
            return super().encode(texts, instruction, **options)

    heard: list[tuple] = []
    encoder = Heard(bundled.causal_model, bundled.tokenizer)
    scores = evaluate(as_mteb_encoder(encoder, instructions={"Finds": "Find the text:"}), Finds())
    assert (tuple(sorted(QUERIES.values())), "Find the text:") in heard
    # Documents go in with their (empty) titles in front of them.
    assert [instruction for texts, instruction in heard if "river rises" in "".join(texts)] == [None]

    found = cosines(
        bundled.encode(list(QUERIES.values()), "Find the text:")[:, None],
        bundled.encode(list(DOCUMENTS.values()))[None],
    )
    ranks = (found > found.diagonal()[:, None]).sum(axis=1)  # documents better than the right one
    assert scores["ndcg_at_10"] == pytest.approx(np.mean(1 / np.log2(2 + ranks)), abs=1e-4)


def test_mteb_knows_it_as_an_encoder(bundled):
    model = as_mteb_encoder(bundled, name="me/mini")
    assert isinstance(model, EncoderProtocol)
    meta = model.mteb_model_meta
    assert (meta.name, meta.embed_dim, meta.max_tokens) == ("me/mini", bundled.hidden_size, bundled.settings.max_length)
    assert type(meta)(**meta.model_dump()) == meta  # every field is one that mteb takes
    vectors = bundled.encode([pair[0] for pair in PAIRS])
    table = model.similarity(vectors, vectors).numpy()
    np.testing.assert_allclose(table, cosines(vectors[:, None], vectors[None]), atol=1e-5)
    np.testing.assert_allclose(
        model.similarity_pairwise(vectors, vectors[::-1].copy()), table[:, ::-1].diagonal(), atol=1e-5
    )


def test_another_encoder_never_gets_the_first_ones_cached_results(bundled):
    def revision(encoder=bundled, **options):
        return as_mteb_encoder(encoder, **options).mteb_model_meta.revision

    assert revision() == revision()
    others = [
        revision(bundled.with_settings(bidirectional=False)),
        revision(bundled.with_settings(pooling_mode="last_token")),
        revision(bundled.with_settings(max_length=64)),
        revision(instructions={"STS": "Find its twin:"}),
    ]
    assert len({revision(), *others}) == 5
    assert revision(revision="v1") == "v1"


@pytest.mark.parametrize(
    ("kind", "instructions", "expected"),
    [
        (None, {}, None),
        (None, {"STS": "type"}, "type"),
        (None, {"STS": "type", "Twins": "task"}, "task"),
        (PromptType.query, {"Twins": "task", "Twins-query": "query"}, "query"),
        (PromptType.query, {"STS-query": "query"}, "query"),
        (PromptType.document, {"STS": "type", "Twins": "task"}, None),
        (PromptType.document, {"STS": "type", "Twins-document": "document"}, "document"),
        (None, {"Retrieval": "other"}, None),
    ],
)
def test_the_most_particular_instruction_wins(bundled, kind, instructions, expected):
    model = as_mteb_encoder(bundled, instructions=instructions)
    assert model.instruction_for(Twins.metadata, kind) == expected


def test_images_are_refused(bundled):
    with pytest.raises(InputError, match="Twins has image and no text"):
        as_mteb_encoder(bundled).encode([{"image": [object()]}], task_metadata=SimpleNamespace(name="Twins"))


def test_malformed_instructions_are_named(bundled):
    with pytest.raises(InputError, match="'STS': 3"):
        as_mteb_encoder(bundled, instructions={"STS": 3})


def test_a_missing_package_is_named(bundled, monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingPackageError, match=r"needs mteb: pip install '\.\[mteb\]'"):
        as_mteb_encoder(bundled)
