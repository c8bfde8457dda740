"""GGUF files. The oracle: the same weights as gguf's own package gives them back, in a model of transformers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import threading

import gguf
import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    StableLmConfig,
    Starcoder2Config,
)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from llm2vec_core.checkpoints import choose_gguf
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import LLM2VecError, MissingPackageError, ModelError
from llm2vec_core.gguf import SOURCE_FILE, convert_gguf, load_gguf_config, read_gguf
from tests.tiny_gguf import TEXTS, dequantized, tiny_tokenizer, write_gguf

# ruff: noqa: C408 - configs as they are called
SIZES = dict(
    vocab_size=300, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.3, tie_word_embeddings=False,
)  # fmt: skip
USUAL = {"feed_forward_length": 96, "attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1e-5}
RMS = dict(rms_norm_eps=1e-5)
THETA = {"rope.freq_base": 500.0}
Q8 = [gguf.GGMLQuantizationType.Q8_0]


def rope(**more):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0, **more}}


# architecture of GGUF: config of the twin, keys of the file. Every key differs from transformers' default.
TWINS = {
    "llama": (
        LlamaConfig(**SIZES, **RMS, **rope()),
        {**USUAL, **THETA, "rope.dimension_count": 16, "vocab_size": 300},
    ),
    "llama linear": (
        LlamaConfig(**SIZES, **RMS, **rope(rope_type="linear", factor=4.0)),
        {**USUAL, **THETA, "rope.dimension_count": 16, "rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
    ),
    "llama factor alone": (
        LlamaConfig(**SIZES, **RMS, **rope(rope_type="linear", factor=4.0)),
        {**USUAL, **THETA, "rope.dimension_count": 16, "rope.scaling.factor": 4.0},  # linear, as llama.cpp reads it
    ),
    "llama tied": (
        LlamaConfig(**{**SIZES, "tie_word_embeddings": True}, **RMS, **rope()),
        {**USUAL, **THETA, "rope.dimension_count": 16},
    ),
    "qwen2": (Qwen2Config(**SIZES, **RMS, **rope()), {**USUAL, **THETA}),
    "qwen2 yarn": (
        Qwen2Config(**SIZES, **RMS, **rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)),
        {
            **USUAL, **THETA, "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": 32,
        },
    ),
    "qwen3": (
        Qwen3Config(**SIZES, **RMS, **rope(), head_dim=32),
        {**USUAL, **THETA, "attention.key_length": 32, "attention.value_length": 32},
    ),
    "gemma2": (
        Gemma2Config(
            **{**SIZES, "tie_word_embeddings": True}, **RMS, **rope(), head_dim=32, query_pre_attn_scalar=32,
            attn_logit_softcapping=3.0, sliding_window=4,
        ),
        {**USUAL, **THETA, "attention.key_length": 32, "attn_logit_softcapping": 3.0, "attention.sliding_window": 4},
    ),
    "gemma3": (
        Gemma3TextConfig(
            **{**SIZES, "tie_word_embeddings": True, "num_hidden_layers": 6}, **RMS, head_dim=32,
            query_pre_attn_scalar=32, sliding_window=4,
            rope_parameters={
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 500.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            },
        ),
        {
            **USUAL, **THETA, "attention.key_length": 32, "attention.sliding_window": 4,
            "rope.scaling.type": "linear", "rope.scaling.factor": 8.0,
        },
    ),
    "starcoder2": (
        Starcoder2Config(**SIZES, **rope(), norm_epsilon=1e-3),
        {"feed_forward_length": 96, "attention.head_count_kv": 2, **THETA, "attention.layer_norm_epsilon": 1e-3},
    ),
    "phi3": (
        Phi3Config(**SIZES, **RMS, **rope(), sliding_window=5, bos_token_id=0, eos_token_id=1, pad_token_id=1),
        {**USUAL, **THETA, "rope.dimension_count": 16, "attention.sliding_window": 5},
    ),
    "stablelm": (
        StableLmConfig(**SIZES, layer_norm_eps=1e-3, **rope(partial_rotary_factor=0.5)),
        {
            "feed_forward_length": 96, "attention.head_count_kv": 2, "attention.layer_norm_epsilon": 1e-3, **THETA,
            "rope.dimension_count": 8, "use_parallel_residual": False,
        },
    ),
    "gpt2": (
        GPT2Config(
            vocab_size=300, n_embd=64, n_layer=2, n_head=4, n_positions=128, n_inner=96, initializer_range=0.3,
            layer_norm_epsilon=1e-3, bos_token_id=0, eos_token_id=1,
        ),
        {"feed_forward_length": 96, "attention.layer_norm_epsilon": 1e-3},
    ),
}  # fmt: skip


def twin(name: str, folder, **options):
    config, keys = TWINS[name]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)  # biases and norms too
    folder.mkdir(exist_ok=True)
    file = folder / "tiny.gguf"
    weights = write_gguf(file, model, name.split()[0], keys, **options)
    return file, dequantized(model, weights)


def expected(model, bidirectional: bool = False) -> np.ndarray:
    base = getattr(model, model.base_model_prefix)
    return LLM2Vec(base, tiny_tokenizer(), bidirectional=bidirectional).encode(TEXTS)


@pytest.mark.parametrize("name", TWINS)
def test_vectors_are_those_of_the_dequantized_weights(name, tmp_path):
    file, model = twin(name, tmp_path / "m")
    want = expected(model)
    got = LLM2Vec.from_pretrained(file, bidirectional=False, device="cpu").encode(TEXTS)
    np.testing.assert_allclose(got, want, atol=2e-5 * np.abs(want).max())


def test_a_file_without_its_ending(tmp_path):
    """Other programs' stores name a file by its checksum."""
    file, model = twin("llama", tmp_path / "m")
    blob = file.rename(file.with_name("sha256-8934d96d3f08"))
    want = expected(model)
    got = LLM2Vec.from_pretrained(blob, bidirectional=False, device="cpu").encode(TEXTS)
    np.testing.assert_allclose(got, want, atol=2e-5 * np.abs(want).max())


def test_quantized_blocks_are_read_as_gguf_itself_reads_them(tmp_path):
    file, model = twin("llama", tmp_path / "m", kinds=Q8)
    for source in (file, str(file), tmp_path / "m"):
        got = LLM2Vec.from_pretrained(source, device="cpu").encode(TEXTS)
        want = expected(model, bidirectional=True)
        np.testing.assert_allclose(got, want, atol=2e-5 * np.abs(want).max())


def readable_kinds() -> list[gguf.GGMLQuantizationType]:
    """All types of numbers that llama.cpp's own package can read back."""
    found = []
    for kind, (_, size) in gguf.GGML_QUANT_SIZES.items():
        with contextlib.suppress(NotImplementedError):
            gguf.dequantize(np.zeros(size, np.uint8), kind)
            found.append(kind)
    return found


def test_every_type_of_numbers_is_read_as_gguf_itself_reads_it(tmp_path):
    kinds = readable_kinds()
    names = {kind.name for kind in kinds}
    assert names >= {"F16", "BF16", "Q4_0", "Q5_0", "Q5_1", "Q2_K", "Q4_K", "Q5_K", "Q6_K", "IQ2_XXS", "IQ4_XS"}
    layers = len(kinds) // 7 + 1
    config = LlamaConfig(
        **{**SIZES, "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": layers}, **RMS, **rope()
    )
    model = AutoModelForCausalLM.from_config(config)
    keys = {**TWINS["llama"][1], "feed_forward_length": 256, "rope.dimension_count": 64}
    file = tmp_path / "tiny.gguf"
    model = dequantized(model, write_gguf(file, model, "llama", keys, kinds=kinds))
    assert {tensor.ggml_type for tensor in read_gguf(file).header.tensors} == set(map(int, kinds))
    want = expected(model)
    got = LLM2Vec.from_pretrained(file, bidirectional=False, device="cpu")
    np.testing.assert_allclose(got.encode(TEXTS), want, atol=2e-5 * np.abs(want).max())
    own = model.model.state_dict()
    for name, weight in got.causal_model.state_dict().items():
        torch.testing.assert_close(weight, own[name], rtol=0, atol=0)


def test_llama3_frequencies_come_back_as_its_scaling(tmp_path):
    scaling = dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
    )
    sizes = {**SIZES, "max_position_embeddings": 16384}
    config = LlamaConfig(**sizes, **RMS, rope_parameters={"rope_theta": 500000.0, **scaling})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    plain = 1 / 500000.0 ** (torch.arange(0, 16, 2).float() / 16)
    factors = (plain / ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))[0]).numpy()
    keys = {**USUAL, "rope.freq_base": 500000.0, "rope.dimension_count": 16}
    file = tmp_path / "tiny.gguf"
    write_gguf(file, model, "llama", keys, tensors={"rope_freqs.weight": factors})
    encoder = LLM2Vec.from_pretrained(file, bidirectional=False, device="cpu")
    want = expected(model)
    np.testing.assert_allclose(encoder.encode(TEXTS), want, atol=2e-5 * np.abs(want).max())
    assert encoder.model.config.rope_parameters["rope_type"] == "llama3"
    write_gguf(file, model, "llama", keys, tensors={"rope_freqs.weight": np.linspace(1, 3, 8, dtype=np.float32)})
    with pytest.raises(ModelError, match=r"rope_freqs\.weight"):
        LLM2Vec.from_pretrained(file)


def test_saved_and_read_back(tmp_path):
    file, _ = twin("qwen2", tmp_path / "m", kinds=Q8)
    encoder = LLM2Vec.from_pretrained(file, device="cpu")
    encoder.save_pretrained(tmp_path / "saved")
    assert "quantization_config" not in json.loads((tmp_path / "saved" / "config.json").read_text())
    again = LLM2Vec.from_pretrained(tmp_path / "saved", device="cpu")
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


def test_several_files_and_a_choice(tmp_path):
    file, _ = twin("llama", tmp_path / "m")
    (tmp_path / "m" / "other.Q2_K.gguf").write_bytes(b"GGUF")
    (tmp_path / "m" / "mmproj-tiny.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"2 GGUF files.*gguf_file.*other\.Q2_K\.gguf, tiny\.gguf"):
        LLM2Vec.from_pretrained(tmp_path / "m")
    chosen = LLM2Vec.from_pretrained(tmp_path / "m", gguf_file="tiny.gguf", device="cpu").encode(TEXTS)
    np.testing.assert_array_equal(chosen, LLM2Vec.from_pretrained(file, device="cpu").encode(TEXTS))
    with pytest.raises(ModelError, match=r"the folder 'm' has no absent\.gguf"):
        LLM2Vec.from_pretrained(tmp_path / "m", gguf_file="absent.gguf")


def test_a_tokenizer_beside_the_file_goes_first(tmp_path):
    file, model = twin("llama", tmp_path / "m", pre="deepseek-llm")
    with pytest.raises(ModelError, match=r"'deepseek-llm'.*tokenizer\.json"):
        LLM2Vec.from_pretrained(file)
    tiny_tokenizer().save_pretrained(tmp_path / "m")
    got = LLM2Vec.from_pretrained(file, bidirectional=False, device="cpu").encode(TEXTS)
    want = expected(model)
    np.testing.assert_allclose(got, want, atol=2e-5 * np.abs(want).max())


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, r"cut off"),
        (lambda content: content[:200], r"cut off or of another kind"),
        (lambda content: b"PK\x03\x04" + content, r"magic"),
        (lambda _: b"", r"cannot be read as GGUF"),
        (lambda _: b"GGUF\x03\x00\x00\x00" + bytes(64), r"general\.architecture"),
    ],
    ids=["tensors cut", "header cut", "another kind", "empty", "nothing in it"],
)
def test_broken_files_are_named(tmp_path, change, message):
    file, _ = twin("llama", tmp_path / "m")
    file.write_bytes(change(file.read_bytes()))
    for source in (file, tmp_path / "m"):
        with pytest.raises(ModelError, match=message) as caught:
            LLM2Vec.from_pretrained(source)
        assert "tiny.gguf" in str(caught.value) and str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "tensors", "message"),
    [
        ({"attention.sliding_window": 5}, {}, r"llama\.attention\.sliding_window to 5"),
        ({"attention.scale": 0.5}, {}, r"llama\.attention\.scale to 0\.5"),
        ({"rope.scaling.type": "longrope"}, {}, r"llama\.rope\.scaling\.type to 'longrope'"),
        ({"expert_count": 8}, {}, r"llama\.expert_count to 8"),
        ({}, {"blk.0.attn_sinks.weight": np.ones(4, np.float32)}, r"blk\.0\.attn_sinks\.weight"),
    ],
)
def test_what_transformers_would_pass_over_is_refused(tmp_path, keys, tensors, message):
    config, usual = TWINS["llama"]
    file = tmp_path / "tiny.gguf"
    write_gguf(file, AutoModelForCausalLM.from_config(config), "llama", {**usual, **keys}, tensors=tensors)
    with pytest.raises(ModelError, match=message):
        LLM2Vec.from_pretrained(file)


def key_of(file, name: str) -> int:
    """Where the value of a key stands."""
    return file.read_bytes().index(name.encode()) + len(name) + 4


def put_value(file, name: str, value: bytes) -> None:
    content, start = bytearray(file.read_bytes()), key_of(file, name)
    content[start : start + len(value)] = value
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("llama.block_count", 10**9, r"says block_count=1000000000 and holds 2 blocks"),
        ("llama.block_count", 1, r"says block_count=1 and holds 2 blocks"),
        ("llama.block_count", 0, r"says block_count=0 and holds 2 blocks"),
        ("llama.embedding_length", 10**9, r"hidden_size=1000000000; at most"),
        ("llama.embedding_length", 32, r"holds 300 x 64 token embeddings, .* say 300 x 32"),
        ("llama.attention.head_count", 0, r"parameters of another kind than theirs|num_attention_heads=0"),
        ("llama.attention.head_count", 3, r"tiny\.gguf"),
        ("llama.vocab_size", 5, r"holds 300 x 64 token embeddings, .* say 5 x 64"),
    ],
)
def test_parameters_that_are_not_those_of_the_tensors(tmp_path, name, value, message):
    file, _ = twin("llama", tmp_path / "m")
    put_value(file, name, value.to_bytes(4, "little"))
    with pytest.raises(ModelError, match=message):
        LLM2Vec.from_pretrained(file)


@pytest.mark.parametrize(
    ("key", "value", "kind", "message"),
    [
        ("general.type", "adapter", "STRING", r"is a GGUF file of the type 'adapter' and no model"),
        ("general.type", "imatrix", "STRING", r"of the type 'imatrix'"),
        ("general.alignment", 0, "UINT32", r"general\.alignment is 0"),
        ("general.alignment", "x", "STRING", r"general\.alignment is 'x'"),
        ("general.architecture", 7, "UINT32", r"general\.architecture is 7"),
        ("split.count", 3, "UINT16", r"one of 3 parts"),
        ("llama.attention.sliding_window", [1, 2], "ARRAY", r"tiny\.gguf"),
        ("llama.attention.head_count_kv", [2, 1], "ARRAY", r"tiny\.gguf"),
        ("llama.rope.freq_base", "high", "STRING", r"tiny\.gguf"),
        ("llama.rope.scaling.factor", [2.0, 3.0], "ARRAY", r"tiny\.gguf"),
        ("llama.block_count", "two", "STRING", r"parameters of another kind .*num_hidden_layers.*'two'"),
        ("llama.block_count", 2.5, "FLOAT32", r"num_hidden_layers=2\.5|tiny\.gguf"),
        ("llama.embedding_length", 2**63, "UINT64", r"hidden_size=9223372036854775808"),
        ("llama.attention.layer_norm_rms_epsilon", float("nan"), "FLOAT32", r"NaN|nan"),
        ("tokenizer.ggml.pre", ["a", "b"], "ARRAY", r"tiny\.gguf.* splits texts by"),
        ("tokenizer.ggml.model", "bert", "STRING", r"no tokenizer that transformers can rebuild .*'bert'"),
        ("tokenizer.ggml.bos_token_id", 10**6, "UINT32", r"no tokenizer that transformers can rebuild"),
    ],
)
def test_keys_that_say_something_else_than_a_models(tmp_path, key, value, kind, message):
    config, usual = TWINS["llama"]
    file = tmp_path / "tiny.gguf"
    raw = {key: (value, gguf.GGUFValueType[kind])}
    write_gguf(file, AutoModelForCausalLM.from_config(config), "llama", usual, raw=raw)
    with pytest.raises(LLM2VecError, match=message):
        LLM2Vec.from_pretrained(file)


def test_a_big_endian_file_and_old_versions(tmp_path):
    file, _ = twin("llama", tmp_path / "m")
    content = file.read_bytes()
    for start, message in (
        (b"GGUF\x00\x00\x00\x03", "is big-endian"),
        (b"GGUF\x01\x00\x00\x00", r"GGUF v1; this reader handles v2 and v3"),
        (b"GGML\x03\x00\x00\x00", r"magic"),
    ):
        file.write_bytes(start + content[8:])
        with pytest.raises(ModelError, match=message):
            LLM2Vec.from_pretrained(file)
    file.write_bytes(b"GGUF\x02\x00\x00\x00" + content[8:])
    assert read_gguf(file).architecture == "llama"


def test_counts_that_no_file_has_end_at_once(tmp_path):
    file, _ = twin("llama", tmp_path / "m")
    content = file.read_bytes()
    for place in (8, 16):  # of tensors, of keys
        for count in (2**63, 2**40, 2**20):
            file.write_bytes(content[:place] + count.to_bytes(8, "little") + content[place + 8 :])
            with pytest.raises(ModelError, match=r"tiny\.gguf.*cannot be read as GGUF"):
                LLM2Vec.from_pretrained(file)


def test_damaged_headers_are_typed_errors(tmp_path):
    """A byte that is another one: an error of ours, or a file that is read."""
    file, _ = twin("llama", tmp_path / "m")
    content, rng = file.read_bytes(), np.random.default_rng(0)
    end = content.index(b"token_embd")
    said = []
    for place in rng.integers(0, end, 150):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            load_gguf_config(read_gguf(file))
        except ModelError as error:
            said.append(str(error))
    # Most bytes are names or counts; some are a value that may be another.
    assert 50 < len(said) < 150
    assert all("tiny.gguf" in message for message in said)


def test_parts_and_companions_of_a_file(tmp_path):
    names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
    with pytest.raises(
        ModelError, match=r"a GGUF model in 2 parts, m-00001-of-00002\.gguf among them: join them first"
    ):
        choose_gguf(names, "'m'")
    assert choose_gguf(["m.gguf", "m.imatrix.gguf", "mmproj-m.gguf"], "'m'") == "m.gguf"


def test_a_missing_tensor_an_unknown_type_and_a_part_are_refused(tmp_path, monkeypatch):
    config, usual = TWINS["llama"]
    model = AutoModelForCausalLM.from_config(config)
    file = tmp_path / "tiny.gguf"
    write_gguf(file, model, "llama", {**usual, "block_count": 3})
    with pytest.raises(ModelError, match="are missing"):
        LLM2Vec.from_pretrained(file)
    write_gguf(file, model, "llama", usual)
    file.write_bytes(file.read_bytes().replace(b"llama", b"novel"))
    with pytest.raises(ModelError, match="architecture 'novel'"):
        LLM2Vec.from_pretrained(file)
    write_gguf(file, model, "llama", usual, tensors={"x.weight": np.zeros(3, np.int32)})
    with pytest.raises(ModelError, match=r"its tensor x\.weight holds numbers of the type I32"):
        LLM2Vec.from_pretrained(file)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(
        MissingPackageError,
        match=r"tiny.gguf is a GGUF file: reading it needs gguf: pip install '\.\[gguf\]'",
    ):
        LLM2Vec.from_pretrained(file)


def test_memory_is_counted_dequantized(tmp_path):
    file, model = twin("llama", tmp_path / "m", kinds=Q8)
    assert read_gguf(file).numbers == sum(parameter.numel() for parameter in model.parameters())


def test_converted_once_and_found_again(tmp_path):
    file, model = twin("llama", tmp_path / "m", kinds=Q8)
    target = tmp_path / "new" / "model"
    assert convert_gguf(file, target) == target
    mark = json.loads((target / SOURCE_FILE).read_text())
    assert mark["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    read = AutoModelForCausalLM.from_pretrained(target)
    assert read.dtype == torch.float16
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], weight.half(), rtol=0, atol=0)
    got = LLM2Vec.from_pretrained(target, device="cpu").encode(TEXTS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    want = expected(model, bidirectional=True)
    np.testing.assert_allclose(got, want, atol=2e-5 * np.abs(want).max())
    before = (target / "model.safetensors").stat().st_mtime_ns
    convert_gguf(file, target)
    assert (target / "model.safetensors").stat().st_mtime_ns == before
    # A damaged folder, or one of another file, is made anew; anything else is left alone.
    (target / "model.safetensors").write_bytes(b"cut")
    convert_gguf(file, target)
    assert (target / "model.safetensors").stat().st_size > 1000
    assert [item.name for item in target.parent.iterdir() if item.name.startswith(".model-")] == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(ModelError, match="'mine' holds something else"):
        convert_gguf(file, tmp_path / "mine")


def test_conversions_at_the_same_time_write_once(tmp_path):
    file, _ = twin("llama", tmp_path / "m")
    target = tmp_path / "model"
    stamps = []

    def run():
        stamps.append((convert_gguf(file, target) / "model.safetensors").stat().st_mtime_ns)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stamps) == 4 and len(set(stamps)) == 1


@pytest.mark.process
def test_importing_the_core_does_not_need_gguf():
    code = "import sys; sys.modules['gguf'] = None; from llm2vec_core import LLM2Vec; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr
