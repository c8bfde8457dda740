"""What other people's stacks make of what is exported and served. Oracle: the encoder itself. Run by ``make compat``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from llm2vec_core.encoder import LLM2Vec
from tests.running_app import running_app

TEXTS = ["The bank was steep and muddy.", "The bank was robbed at noon.", "Ein Fluß 😀"]
QUERY = "Which animals hunt at night?"
INSTRUCTION = "Retrieve passages that answer the question:"


@pytest.fixture(scope="module")
def encoder() -> LLM2Vec:
    return LLM2Vec.from_preset("mini")


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory) -> str:
    """An export with the instruction as the prompt of queries, opened without this project's code."""
    place = tmp_path_factory.mktemp("export") / "model"
    encoder.export_sentence_transformers(place, prompts={"query": INSTRUCTION})
    return str(place)


def expect_alike(found, expected: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_langchain_opens_the_export(folder, encoder):
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(model_name=folder)
    expect_alike(embeddings.embed_documents(TEXTS), encoder.encode(TEXTS))
    expect_alike(embeddings.embed_query(QUERY), encoder.encode(QUERY))  # no instruction unless asked for
    asked = HuggingFaceEmbeddings(model_name=folder, query_encode_kwargs={"prompt_name": "query"}).embed_query(QUERY)
    expect_alike(asked, encoder.encode(QUERY, INSTRUCTION))


def test_llama_index_opens_the_export(folder, encoder):
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    embedding = HuggingFaceEmbedding(model_name=folder)  # it scales vectors to length 1
    expect_alike(embedding.get_text_embedding_batch(TEXTS), encoder.encode(TEXTS, normalize=True))
    # It puts its own prompts, here none, in the place of the model's.
    expect_alike(embedding.get_query_embedding(QUERY), encoder.encode(QUERY, normalize=True))
    stored = json.loads((Path(folder) / "config_sentence_transformers.json").read_text())["prompts"]["query"]
    told = HuggingFaceEmbedding(model_name=folder, query_instruction=stored)
    expect_alike(told.get_query_embedding(QUERY), encoder.encode(QUERY, INSTRUCTION, normalize=True))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_app("compat.log", HF_HUB_OFFLINE="1") as address:
        yield address


@pytest.mark.process
def test_openai_s_client_lists_the_encoders_and_embeds(address, encoder):
    from openai import BadRequestError, NotFoundError, OpenAI

    client = OpenAI(base_url=f"{address}/v1", api_key="none")
    assert "mini" in [model.id for model in client.models.list()]
    expected = encoder.encode(TEXTS, normalize=True)
    # Without a format the client asks for base64 and decodes it.
    for form in ({}, {"encoding_format": "float"}):
        answer = client.embeddings.create(model="mini", input=TEXTS, **form)
        assert answer.usage.total_tokens > 0
        expect_alike([row.embedding for row in answer.data], expected)
    with pytest.raises(NotFoundError, match="nobody"):
        client.embeddings.create(model="nobody", input=TEXTS)
    with pytest.raises(BadRequestError):
        client.embeddings.create(model="mini", input=[])


@pytest.mark.process
@pytest.mark.parametrize("stack", ["langchain", "llama_index"])
def test_the_stacks_openai_classes_use_the_page_as_a_server(address, encoder, stack):
    if stack == "langchain":
        from langchain_openai import OpenAIEmbeddings

        embeddings = OpenAIEmbeddings(
            model="mini", base_url=f"{address}/v1", api_key="none", check_embedding_ctx_length=False
        )
        found = embeddings.embed_documents(TEXTS)
    else:
        from llama_index.embeddings.openai import OpenAIEmbedding

        embedding = OpenAIEmbedding(model_name="mini", api_base=f"{address}/v1", api_key="none")
        found = embedding.get_text_embedding_batch(TEXTS)
    expect_alike(found, encoder.encode(TEXTS, normalize=True))
