"""Absurd values are named at once, before anything is built from them; those of every known type are not absurd."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from transformers import CONFIG_MAPPING

from llm2vec_core.architectures import causal_lm_types
from llm2vec_core.architectures.tiny import quiet
from llm2vec_core.config_numbers import check_numbers
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import LLM2VecError, ModelError

BASE = Path(__file__).parent / "data" / "reference" / "models" / "llama"


@pytest.fixture
def base(tmp_path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "base"))


def write_config(base: Path, **changes) -> None:
    file = base / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("model_type", [name for name in causal_lm_types() if "assistant" not in name])
def test_the_defaults_of_every_type_pass(model_type):
    with quiet():
        check_numbers(json.loads(CONFIG_MAPPING[model_type]().to_json_string(use_diff=False)), model_type)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("num_hidden_layers", value) for value in (10**9, 10**30, 0, -1, "2", "two", 2.5, True, 1e300, float("inf"))],
        ("num_attention_heads", 10**9),
        ("num_attention_heads", 0),
        ("num_key_value_heads", "2"),
        ("hidden_size", 10**12),
        ("hidden_size", -64),
        ("vocab_size", 10**15),
        ("intermediate_size", "176"),
        ("head_dim", 10**11),
        ("max_position_embeddings", 10**15),
    ],
)
def test_a_value_that_no_model_has(base, name, value):
    write_config(base, **{name: value})
    with pytest.raises(ModelError, match=rf"config.json of 'base' says {name}="):
        LLM2Vec.from_pretrained(base)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_attention_heads", 3),
        ("hidden_size", 4096),
        ("hidden_size", None),
        ("num_hidden_layers", [2]),
        ("rms_norm_eps", "small"),
        ("hidden_act", "no such function"),
        ("hidden_act", 5),
        ("rope_parameters", "default"),
        ("rope_parameters", {"rope_type": "no such type", "rope_theta": 1.0}),
        ("pad_token_id", "pad"),
        ("model_type", ["llama"]),
        ("model_type", 5),
        ("architectures", 5),
    ],
)
def test_any_other_wrong_value_is_a_typed_error(base, name, value):
    """Or, where the value does not matter to what is computed, no error at all."""
    write_config(base, **{name: value})
    try:
        vectors = LLM2Vec.from_pretrained(base).encode(["A river bank."])
    except LLM2VecError as error:
        assert str(error)
    else:
        assert (vectors == LLM2Vec.from_pretrained(BASE).encode(["A river bank."])).all()


def test_a_number_of_a_tower_inside():
    with pytest.raises(ModelError, match="num_hidden_layers=1000000000"):
        check_numbers({"text_config": {"num_hidden_layers": 10**9}}, "config.json")


@pytest.mark.parametrize("content", ["[" * 100_000, "5", "null", '"text"', "\xff", ""])
def test_a_configuration_that_is_none(base, content):
    (base / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ModelError, match=r"config\.json"):
        LLM2Vec.from_pretrained(base)


@pytest.mark.parametrize("name", ["rope_theta", "eos_token_id", "num_hidden_layers", "vocab_size", "made_up"])
@pytest.mark.parametrize("value", [10**400, -(10**20), [1, 10**30], {"a": {"b": [2**63]}}], ids=lambda v: str(v)[:12])
def test_numbers_of_more_than_64_bits(base, name, value):
    write_config(base, **{name: value})
    with pytest.raises(ModelError, match=r"config\.json .*says \w+=.* no number may have more than 64 bits") as caught:
        LLM2Vec.from_pretrained(base)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "llm2vec_config.json"])
def test_numbers_of_more_digits_than_python_reads(base, file):
    content = json.loads((base / file).read_text()) if (base / file).is_file() else {"bidirectional": True}
    text = json.dumps(content | {"max_length": 0}).replace('"max_length": 0', f'"max_length": {"7" * 5_000}')
    (base / file).write_text(text)
    with pytest.raises(ModelError, match=r"more than 4,300 digits|tokenizer_config\.json"):
        LLM2Vec.from_pretrained(base)


def test_a_tokenizer_without_a_limit(base):
    file = base / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": int(1e30)}))
    want = LLM2Vec.from_pretrained(BASE).encode(["a river"])
    assert (LLM2Vec.from_pretrained(base).encode(["a river"]) == want).all()


@pytest.fixture
def half_a_minute():
    def stop(*_):
        raise TimeoutError("it waits for somebody to write into the pipe")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("half_a_minute")
@pytest.mark.parametrize("name", sorted(path.name for path in BASE.iterdir()))
def test_a_pipe_in_place_of_a_file_does_not_hang(base, name):
    (base / name).unlink()
    os.mkfifo(base / name)
    with pytest.raises(ModelError):
        LLM2Vec.from_pretrained(base)


def change(base, **changes):
    found = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(found | changes))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("is_causal", "false"),
        ("is_causal", 0),
        ("use_bidirectional_attention", "true"),
        ("tie_word_embeddings", "False"),
        ("mlp_bias", "no"),
    ],
)
def test_a_switch_of_another_kind_is_named(base, name, value):
    change(base, **{name: value})
    with pytest.raises(ModelError, match=f"{name}={value!r}: it has to be true or false"):
        LLM2Vec.from_pretrained(base)


def test_outputs_as_tuples_are_a_matter_of_taste(base):
    want = LLM2Vec.from_pretrained(base).encode(["a river"])
    change(base, return_dict=False, output_hidden_states=True)
    assert (LLM2Vec.from_pretrained(base).encode(["a river"]) == want).all()


def test_a_pad_token_beyond_the_embeddings(base):
    change(base, pad_token_id=10**6)
    with pytest.raises(ModelError, match=r"Padding_idx|padding_idx"):
        LLM2Vec.from_pretrained(base)


def test_a_name_that_no_file_system_takes():
    with pytest.raises(ModelError, match="neither a folder here nor a Hub id"):
        LLM2Vec.from_pretrained("a" * 5_000)


@pytest.mark.parametrize("name", ["text_config", "decoder"])
@pytest.mark.parametrize("value", [3, "4", [4], {"a": 1}, True], ids=str)
def test_the_config_of_a_text_model_that_is_none(base, name, value):
    change(base, **{name: value})
    with pytest.raises(ModelError, match=r"config\.json"):
        LLM2Vec.from_pretrained(base)
