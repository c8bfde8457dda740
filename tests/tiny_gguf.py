"""GGUF files of tiny models, written by llama.cpp's own package as its converter writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

TEXTS = ["A river bank is muddy.", "The bank was robbed at noon.", "Hi"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE as GPT-2's, trained on a few lines."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([*TEXTS, "the old stone bridge"] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def write_gguf(
    file: Path,
    model: PreTrainedModel,
    arch: str,
    parameters: dict[str, object],
    *,
    kinds: Sequence[gguf.GGMLQuantizationType] = (),
    pre: str | None = "gpt-2",
    tensors: dict[str, np.ndarray] | None = None,
    raw: dict[str, tuple[object, gguf.GGUFValueType]] | None = None,
) -> dict[str, np.ndarray]:
    """Write a model with its head.

    Args:
        file: to write.
        model: a causal language model.
        arch: GGUF's name of the architecture.
        parameters: more keys, without the architecture's prefix.
        kinds: types of numbers that matrices are written in, in turn where their rows can be; else float32.
        pre: the pre-tokenizer's name.
        tensors: more tensors.
        raw: more keys by their whole names, or other values of those that are there, and their types.

    Returns:
        The weights by transformers' names, as gguf's own dequantization gives them back.
    """
    config = model.config
    writer = gguf.GGUFWriter(file, arch)
    keys = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "attention.head_count": config.num_attention_heads,
        **parameters,
    }
    for name, value in keys.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        add[type(value)](f"{arch}.{name}", value)
    _write_tokenizer(writer, pre)
    names = gguf.get_tensor_name_map(
        next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == arch), config.num_hidden_layers
    )
    read_back, turn = {}, cycle(kinds)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, _, suffix = name.rpartition(".")
        values = _as_llama_cpp(arch, name, weight.float().numpy(), config)
        kind = gguf.GGMLQuantizationType.F32
        if kinds and values.ndim == 2 and values.shape[1] % max(gguf.GGML_QUANT_SIZES[k][0] for k in kinds) == 0:
            kind = next(turn)
        packed = _packed(values, kind)
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", packed, raw_dtype=kind)
        read_back[name] = _as_transformers(arch, name, gguf.dequantize(packed, kind), config)
    for name, values in (tensors or {}).items():
        writer.add_tensor(name, values)
    for key, (value, kind) in (raw or {}).items():
        writer.kv_data[0][key] = gguf.gguf_writer.GGUFValue(value=value, type=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read_back


def _packed(values: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """The values as blocks; blocks of ordinary size drawn at random where gguf's package can only read a type."""
    try:
        return gguf.quantize(values, kind)
    except NotImplementedError:
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        rng = np.random.default_rng(int(kind))
        blocks = rng.integers(0, 256, (4_000, size), dtype=np.uint8)
        with np.errstate(all="ignore"):
            largest = np.abs(gguf.dequantize(blocks, kind).reshape(len(blocks), -1)).max(axis=1)
        blocks = blocks[(largest > 0.05) & (largest < 1)]  # NaN is neither
        chosen = rng.integers(0, len(blocks), (len(values), values.shape[1] // elements))
        return blocks[chosen].reshape(len(values), -1)


def dequantized(model: PreTrainedModel, weights: dict[str, np.ndarray]) -> PreTrainedModel:
    """The model with the weights that came back."""
    model.load_state_dict(
        {name: torch.from_numpy(np.ascontiguousarray(w)) for name, w in weights.items()}, strict=False
    )
    return model.eval()


def _write_tokenizer(writer: gguf.GGUFWriter, pre: str | None) -> None:
    made = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]
    tokens = sorted(made["vocab"], key=made["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in ("<s>", "</s>") else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in made["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)


def _as_llama_cpp(arch: str, name: str, values: np.ndarray, config) -> np.ndarray:
    """What llama.cpp's converter does to a weight."""
    if arch == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
    if arch in ("gemma2", "gemma3", "nemotron") and name.endswith("norm.weight"):
        return values + 1
    if arch == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return np.ascontiguousarray(values.T)
    return values


def _as_transformers(arch: str, name: str, values: np.ndarray, config) -> np.ndarray:
    """The inverse."""
    if arch == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
        return pairs.swapaxes(1, 2).reshape(values.shape)
    if arch in ("gemma2", "gemma3", "nemotron") and name.endswith("norm.weight"):
        return values - 1
    if arch == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return values.T
    return values
