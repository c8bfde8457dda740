"""GGUF files (llama.cpp's format) as models: read by transformers, checked, and converted once.

transformers rebuilds config, tokenizer and dequantized weights from a GGUF file. It passes over what it has no
place for, so every tensor and every model parameter of the file is accounted for here: taken in by transformers, put
into the config by us, without influence on the hidden states, or a reason to refuse the file.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import re
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from tokenizers import normalizers, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.integrations import GGUF_CONFIG_MAPPING
from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.integrations.gguf.reader import GgufHeader, TensorInfo, read_gguf_metadata
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map

from llm2vec_core.checkpoints import shown
from llm2vec_core.config_numbers import check_numbers
from llm2vec_core.errors import ModelError
from llm2vec_core.extras import require

SOURCE_FILE = "gguf_source.json"
# Of a file that is cut off, damaged or no GGUF.
_READ_ERRORS = (ValueError, KeyError, IndexError, TypeError, ArithmeticError, MemoryError, OSError, struct.error)

# transformers' names for GGUF's architectures where they differ.
_RENAMED = {"qwen2moe": "qwen2_moe", "qwen3moe": "qwen3_moe", "gpt-oss": "gpt_oss", "minimax-m2": "minimax_m2"}
# Parameters that do not change hidden states, or that the shapes of the tensors check.
_NO_INFLUENCE = {
    "vocab_size", "context_length", "feed_forward_length", "attention.head_count_kv", "tensor_data_layout",
    "pooling_type", "attention.causal", "rope.scaling.finetuned", "attention.max_alibi_bias",
}  # fmt: skip
_FREQUENCIES = "rope_freqs.weight"
# Layers of Gemma's 27B models, whose attention is scaled by another width than the heads'.
_LARGEST = {"gemma2": 46, "gemma3_text": 62}
# Where a config keeps a parameter that transformers' reader leaves out.
_ATTRIBUTES = {
    "attention.layer_norm_epsilon": ("layer_norm_epsilon", "layer_norm_eps", "norm_eps", "norm_epsilon"),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps", "norm_eps", "layer_norm_epsilon"),
    "attention.sliding_window": ("sliding_window",),
    "attention.key_length": ("head_dim",),
    "context_length": ("n_positions",),
    "feed_forward_length": ("n_inner",),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "use_parallel_residual": ("use_parallel_residual",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
}
_BLOCK = re.compile(r"\bblk\.(\d+)\.")
# Pre-tokenizers that GPT-2's own regex reproduces, since the vocabulary has no merges across what they split off.
_LIKE_GPT2 = {"gpt-2", "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "olmo", "mpt", "phi-2"}
# Pre-tokenizers whose tokenizers look for a whole word before they merge, and write a begin token unless the file says
# otherwise: Llama 3's and Mistral's Tekken (as llama.cpp loads them).
_WHOLE_WORDS = {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken"}


@dataclass(frozen=True)
class GGUF:
    """A GGUF file whose header was read and found whole.

    Attributes:
        path: the file.
        architecture: as the file names it (``general.architecture``).
        metadata: its keys and values; arrays of strings as their length.
        header: its table of tensors.
    """

    path: Path
    architecture: str
    metadata: dict[str, Any]
    header: GgufHeader

    @property
    def numbers(self) -> int:
        """How many numbers the tensors hold once dequantized."""
        return sum(int(torch.Size(tensor.shape).numel()) for tensor in self.header.tensors)


def read_gguf(path: str | Path) -> GGUF:
    """Read a GGUF file's header and check that the file is whole.

    Args:
        path: the file.

    Raises:
        MissingPackageError: if the package ``gguf`` is not installed.
        ModelError: if the file is no GGUF, cut off, split, or holds types of numbers that cannot be read.
    """
    path = Path(path)
    require("gguf", "gguf", what=f"{path.name} is a GGUF file: reading it")
    if not path.is_file():
        raise ModelError(f"there is no GGUF file {path.name!r} in {shown(path.parent)}")
    _refuse_big_endian(path)
    try:
        metadata, _ = read_gguf_metadata(str(path))
        _refuse_other_kinds(path, metadata)
        header = _header(path, metadata)
    except _READ_ERRORS as error:
        why = str(error).replace(str(path), "it") or type(error).__name__
        raise ModelError(f"{path.name!r} cannot be read as GGUF, it is cut off or of another kind: {why}") from error
    end = header.data_start + max((tensor.offset + tensor.nbytes for tensor in header.tensors), default=0)
    if path.stat().st_size < end:
        raise ModelError(
            f"the GGUF file {path.name!r} is cut off: it has {path.stat().st_size:,} bytes and its header tells of "
            f"{end:,}; download it again"
        )
    if not header.tensors:
        raise ModelError(f"the GGUF file {path.name!r} holds no tensors")
    file = GGUF(path, metadata["general.architecture"], metadata, header)
    # Now: some configs write a list of their layers.
    _refuse_other_blocks(file, metadata.get(f"{file.architecture}.block_count"))
    return file


def _refuse_big_endian(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    if start[:4] == b"GGUF" and len(start) == 8 and 0 < int.from_bytes(start[4:], "big") < 2**16:
        raise ModelError(
            f"the GGUF file {path.name!r} is big-endian, made for another kind of machine: convert it first "
            "(gguf-convert-endian)"
        )


def _refuse_other_kinds(path: Path, metadata: dict[str, Any]) -> None:
    kind, parts = metadata.get("general.type", "model"), metadata.get("split.count", 1)
    if kind != "model":
        raise ModelError(f"{path.name!r} is a GGUF file of the type {kind!r:.40} and no model")
    if isinstance(parts, int) and parts > 1:
        raise ModelError(
            f"{path.name!r} is one of {parts} parts of a GGUF model: join them first (llama-gguf-split --merge)"
        )
    if not isinstance(metadata["general.architecture"], str):
        raise TypeError(f"general.architecture is {metadata['general.architecture']!r:.40}")


def _header(path: Path, metadata: dict[str, Any]) -> GgufHeader:
    """The table of tensors; also with types of numbers that only gguf's own package reads (Q5_0, say)."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, dequantize

    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"general.alignment is {alignment!r:.40}")
    try:
        return GgufHeader.from_file(str(path))
    except ValueError as error:
        if "ggml type" not in str(error):
            raise
    tensors = []
    for tensor in GGUFReader(str(path)).tensors:
        kind = GGMLQuantizationType(tensor.tensor_type)
        try:
            dequantize(np.zeros(GGML_QUANT_SIZES[kind][1], np.uint8), kind)
        except NotImplementedError as error:
            raise ValueError(f"its tensor {tensor.name} holds numbers of the type {kind.name}") from error
        shape = tuple(int(size) for size in reversed(tensor.shape))
        tensors.append(TensorInfo(tensor.name, shape, int(kind), int(tensor.data_offset), int(tensor.n_bytes)))
    return GgufHeader(str(path), metadata["general.architecture"], tuple(tensors), 0)


def load_gguf_config(file: GGUF) -> PreTrainedConfig:
    """The config of a GGUF file, with every parameter that the file gives.

    Raises:
        ModelError: if transformers does not know the architecture, or a parameter has no place in its config.
    """
    try:
        config = AutoConfig.from_pretrained(str(file.path.parent), gguf_file=file.path.name, trust_remote_code=False)
    except Exception as error:  # each architecture checks its own values, and raises what it likes
        why = " ".join(str(error).replace(str(file.path), "it").split())[:300]
        if _RENAMED.get(file.architecture, file.architecture) in {*GGUF_CONFIG_MAPPING, *GGUF_CONFIG_ARCHS}:
            raise ModelError(
                f"the GGUF file {file.path.name!r} holds parameters of another kind than theirs, or lacks some ({why})"
            ) from error
        raise ModelError(
            f"the GGUF file {file.path.name!r} is of the architecture {file.architecture!r}, which transformers does "
            f"not read from GGUF ({why}): take the model's safetensors"
        ) from error
    config._name_or_path = ""
    check_numbers(json.loads(config.to_json_string(use_diff=False)), f"the GGUF file {file.path.name!r}")
    try:
        _complete(config, file)
    except ModelError:
        raise
    except Exception as error:  # likewise
        raise ModelError(
            f"the GGUF file {file.path.name!r} holds parameters of another kind than theirs "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        ) from error
    return config


def load_gguf_model(file: GGUF, config: PreTrainedConfig, **options: Any) -> PreTrainedModel:
    """The causal language model of a GGUF file, dequantized: plain numbers in plain layers.

    Args:
        file: the file.
        config: of :func:`load_gguf_config`.
        options: as for transformers' ``from_pretrained``.

    Raises:
        ModelError: if tensors are missing, damaged, or such that the model has no place for them.
    """
    _refuse_other_sizes(file, config)
    try:
        # With its head: for some types the reader knows the tensors' names only then.
        model, info = AutoModelForCausalLM.from_pretrained(
            str(file.path.parent), gguf_file=file.path.name, config=config, output_loading_info=True,
            trust_remote_code=False, **options,
        )  # fmt: skip
    except Exception as error:  # each architecture fails in its own way
        why = " ".join(str(error).replace(str(file.path), "it").split())[:300]
        raise ModelError(
            f"the GGUF file {file.path.name!r} cannot be loaded ({type(error).__name__}: {why})"
        ) from error
    if info["missing_keys"]:
        raise ModelError(
            f"tensors of the GGUF file {file.path.name!r} are missing: {len(info['missing_keys'])}, "
            f"{min(info['missing_keys'])} among them"
        )
    strangers = _unread_tensors(model, file)
    if strangers:
        raise ModelError(
            f"{type(model).__name__} has no place for {len(strangers)} tensors of the GGUF file {file.path.name!r}, "
            f"{strangers[0]} among them: its vectors would be wrong; take the model's safetensors"
        )
    for owner, name in ((model, "hf_quantizer"), (model, "quantization_method"), (model.config, "quantization_config")):
        if name in vars(owner):
            delattr(owner, name)
    model.is_quantized = False
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            module.config._is_quantized = False
    return model


def load_gguf_tokenizer(file: GGUF) -> Any:
    """The tokenizer that a GGUF file holds.

    Raises:
        ModelError: if the file's pre-tokenizer is one that transformers does not know, or there is no vocabulary.
    """
    folder = file.path.parent
    beside = "put the model's tokenizer.json beside the GGUF file"
    pre = file.metadata.get("tokenizer.ggml.pre")
    pre = pre if pre is None else str(pre)[:60]
    if file.metadata.get("tokenizer.ggml.model") == "gpt2" and pre not in {*GGUF_PRE_TOKENIZER_SPLITS, *_LIKE_GPT2}:
        if pre is not None:
            raise ModelError(
                f"the GGUF file {file.path.name!r} splits texts by {pre!r}, which transformers does not know: {beside}"
            )
        logging.getLogger(__name__).warning(
            "%s does not say how it splits texts (tokenizer.ggml.pre); GPT-2's way is taken. If that is wrong, %s",
            file.path.name, beside,
        )  # fmt: skip
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), gguf_file=file.path.name, trust_remote_code=False)
        _complete_tokenizer(tokenizer, file)
        return tokenizer
    except Exception as error:  # the tokenizers library raises a bare Exception
        raise ModelError(
            f"the GGUF file {file.path.name!r} holds no tokenizer that transformers can rebuild "
            f"({type(error).__name__}: {error}): {beside}"
        ) from error


def _complete_tokenizer(tokenizer: Any, file: GGUF) -> None:
    """Do what transformers' reader of tokenizers leaves out."""
    backend, kind, pre = (
        tokenizer.backend_tokenizer, file.metadata.get("tokenizer.ggml.model"), file.metadata.get("tokenizer.ggml.pre")
    )  # fmt: skip
    if kind == "gpt2" and pre in _WHOLE_WORDS:
        backend.model.ignore_merges = True
        if "tokenizer.ggml.add_bos_token" not in file.metadata and tokenizer.bos_token is not None:
            tokenizer.add_bos_token = True
    if kind == "gpt2" and pre == "qwen2":
        backend.normalizer = normalizers.NFC()
    if kind == "llama" and file.metadata.get("tokenizer.ggml.add_space_prefix") is False:
        if isinstance(backend.pre_tokenizer, pre_tokenizers.Metaspace):
            backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
        elif file.architecture == "phi3":
            backend.normalizer = normalizers.Replace(" ", "▁")


def convert_gguf(source: str | Path, target: str | Path) -> Path:
    """Convert a GGUF file into a folder of a causal language model: float16 safetensors, tokenizer, config.

    Written once: a folder that was made from the same file is found again, and processes that ask at the same time
    wait for the one that writes. The folder appears whole or not at all.

    Args:
        source: a GGUF file.
        target: the folder to write; its parent is made if need be.

    Returns:
        The folder, for :meth:`llm2vec_core.encoder.LLM2Vec.from_pretrained`.

    Raises:
        MissingPackageError: if the package ``gguf`` is not installed.
        ModelError: if the file cannot be converted, the folder holds something else, or the disk is full.

    Example:
        >>> convert_gguf("missing.gguf", "somewhere")
        Traceback (most recent call last):
            ...
        llm2vec_core.errors.ModelError: there is no GGUF file 'missing.gguf' ...
    """
    file, target = read_gguf(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = {"file": file.path.name, "sha256": _sha256(file.path)}
    with FileLock(target.with_name(f".{target.name}.lock")):
        if _is_conversion_of(target, mark):
            return target
        if target.exists() and not (target / SOURCE_FILE).is_file() and any(target.iterdir()):
            raise ModelError(
                f"the folder {target.name!r} holds something else than a converted GGUF file: take another"
            )
        try:
            _write_conversion(file, target, mark)
        except OSError as error:
            raise ModelError(f"cannot write the converted model to {target.name!r} ({error})") from error
    return target


def _write_conversion(file: GGUF, target: Path, mark: dict[str, Any]) -> None:
    model = load_gguf_model(file, load_gguf_config(file), dtype=torch.float32)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
        written = Path(place) / "model"
        model.half().save_pretrained(written)
        load_gguf_tokenizer(file).save_pretrained(written)
        sizes = {item.name: item.stat().st_size for item in written.iterdir()}
        (written / SOURCE_FILE).write_text(json.dumps({**mark, "sizes": sizes}, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            target.replace(Path(place) / "old")
        written.replace(target)


def _is_conversion_of(target: Path, mark: dict[str, Any]) -> bool:
    try:
        found = json.loads((target / SOURCE_FILE).read_text(encoding="utf-8"))
        whole = all((target / name).stat().st_size == size for name, size in found["sizes"].items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return whole and all(found.get(name) == value for name, value in mark.items())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_other_sizes(file: GGUF, config: PreTrainedConfig) -> None:
    """Raise, before anything is built, if the parameters are not those of the tensors."""
    _refuse_other_blocks(file, config.num_hidden_layers)
    shape = next((tensor.shape for tensor in file.header.tensors if tensor.name == "token_embd.weight"), None)
    if shape != (config.vocab_size, config.hidden_size):
        told = "no" if shape is None else " x ".join(f"{size:,}" for size in shape)
        raise ModelError(
            f"the GGUF file {file.path.name!r} holds {told} token embeddings, and its parameters and its vocabulary "
            f"say {config.vocab_size:,} x {config.hidden_size:,}"
        )


def _refuse_other_blocks(file: GGUF, said: Any) -> None:
    layers = max((int(found[1]) + 1 for t in file.header.tensors if (found := _BLOCK.search(t.name))), default=0)
    if isinstance(said, int) and said != layers:
        raise ModelError(
            f"the GGUF file {file.path.name!r} says block_count={said} and holds {layers} blocks: tensors are missing"
        )


def _unread_tensors(model: PreTrainedModel, file: GGUF) -> list[str]:
    processor = TENSOR_PROCESSORS.get(file.architecture, TensorProcessor)(config=model.config.to_dict())
    known = get_gguf_hf_weights_map(model, processor)
    # Not every type maps the output matrix; rotary factors went into the config; experts are named without a suffix.
    known |= {"output.weight": "", "output.bias": "", _FREQUENCIES: ""}
    names = [tensor.name for tensor in file.header.tensors]
    return [name for name in names if name not in known and name.removesuffix(".weight") not in known]


def _complete(config: PreTrainedConfig, file: GGUF) -> None:
    """Put into the config what transformers' reader leaves out, or refuse."""
    prefix = f"{file.architecture}."
    taken = GGUF_CONFIG_MAPPING.get(_RENAMED.get(file.architecture, file.architecture), {})
    given = {key.removeprefix(prefix): value for key, value in file.metadata.items() if key.startswith(prefix)}
    left = {name: value for name, value in given.items() if taken.get(name) is None}
    for name, value in given.items():
        # Some keys are mapped to a name that the architecture's config does not have.
        attribute = next((item for item in _ATTRIBUTES.get(name, ()) if hasattr(config, item)), None)
        if attribute is not None and not hasattr(type(config), str(taken.get(name))):
            setattr(config, attribute, value)
            left.pop(name, None)
    if (config.pad_token_id or 0) >= config.vocab_size:
        config.pad_token_id = None
    if config.model_type in _LARGEST:
        # No key tells the scale of the attention: as llama.cpp does, it is known by the number of layers.
        largest = config.num_hidden_layers == _LARGEST[config.model_type]
        config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads if largest else config.head_dim
    left |= {name: value for name, value in given.items() if name.startswith("rope.")}
    _complete_rope(config, file, left)
    for name, value in left.items():
        if name not in _NO_INFLUENCE and not _is_neutral(name, value, config):
            raise ModelError(
                f"the GGUF file {file.path.name!r} sets {prefix}{name} to {value!r}, which transformers' "
                f"{config.model_type} has no place for: its vectors would be wrong; take the model's safetensors"
            )


def _is_neutral(name: str, value: Any, config: PreTrainedConfig) -> bool:
    if name in ("attention.key_length", "attention.value_length", "rope.dimension_count"):
        return value == _head_dim(config)
    if name == "attention.sliding_window":
        return value == 0 or value >= config.max_position_embeddings
    if name == "attention.scale":
        return value in (0, _head_dim(config) ** -0.5)
    if name in ("rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "use_parallel_residual"):
        return value == 1
    # A count of zero switches a part off (expert_count, nextn_predict_layers).
    return value == 0


def _head_dim(config: PreTrainedConfig) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def _complete_rope(config: PreTrainedConfig, file: GGUF, left: dict[str, Any]) -> None:
    """Move what is told about rotary positions out of ``left`` and into the config."""
    rope = getattr(config, "rope_parameters", None)
    if not rope:
        left.pop("rope.dimension_count", None)
        return
    # Models with windows keep two rotations; GGUF's plain keys are those of the layers without.
    full = rope.get("full_attention", rope)
    if (base := left.pop("rope.freq_base", None)) is not None:
        full["rope_theta"] = float(base)
    if "sliding_attention" in rope and (base := left.pop("rope.freq_base_swa", None)) is not None:
        rope["sliding_attention"]["rope_theta"] = float(base)
    if hasattr(config, "rotary_dim"):
        left.pop("rope.dimension_count", None)
    elif "partial_rotary_factor" in full and (width := left.pop("rope.dimension_count", None)) is not None:
        full["partial_rotary_factor"] = width / _head_dim(config)
    _complete_scaling(full, left)
    if any(tensor.name == _FREQUENCIES for tensor in file.header.tensors):
        full |= _llama3_scaling(config, file, full)


def _complete_scaling(rope: dict[str, Any], left: dict[str, Any]) -> None:
    """Move a stretched context (linear or YaRN) out of ``left``; what no config can say stays there."""
    factor = left.pop("rope.scaling.factor", None)
    kind = left.pop("rope.scaling.type", "linear" if factor else "none")
    original = left.pop("rope.scaling.original_context_length", None)
    if kind == "linear" and factor:
        rope |= {"rope_type": "linear", "factor": float(factor)}
    elif kind == "yarn" and factor and original:
        rope |= {"rope_type": "yarn", "factor": float(factor), "original_max_position_embeddings": int(original)}
        for name in ("beta_fast", "beta_slow"):
            if (value := left.pop(f"rope.scaling.yarn_{name}", None)) is not None:
                rope[name] = float(value)
    elif kind != "none":
        left["rope.scaling.type"] = kind


def _llama3_scaling(config: PreTrainedConfig, file: GGUF, rope: dict[str, Any]) -> dict[str, Any]:
    """Llama 3's rotary scaling, which a GGUF keeps as divisors of the frequencies.

    Raises:
        ModelError: if the divisors are of another kind.
    """
    from gguf import GGUFReader
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    tensors = {tensor.name: tensor.data for tensor in GGUFReader(str(file.path)).tensors}
    divisors = torch.tensor(tensors[_FREQUENCIES].copy())
    scaled_config = copy.deepcopy(config)
    exponents = torch.arange(0, _head_dim(config), 2).float() / _head_dim(config)
    frequencies = 1.0 / rope["rope_theta"] ** exponents
    for original in (8192, config.max_position_embeddings, 4096, 16384, 32768):
        found = {
            "rope_type": "llama3", "factor": float(divisors.max()), "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }  # fmt: skip
        scaled_config.rope_parameters = {**rope, **found}
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](scaled_config, torch.device("cpu"))
        if divisors.shape == scaled.shape and torch.allclose(frequencies / divisors, scaled, rtol=1e-4):
            return found
    raise ModelError(
        f"the GGUF file {file.path.name!r} scales its rotary frequencies ({_FREQUENCIES}) in a way that has no "
        "place in the config: its vectors would be wrong; take the model's safetensors"
    )
