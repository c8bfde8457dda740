"""A tiny random model of any causal-LM type, so that a claim about the type can be tried out.

:data:`SMALL` shrinks whatever sizes a configuration has, by name; :data:`SPECIAL` adds what a few types
want besides. Every kind of layer that the type knows is kept once, and sliding windows are four tokens
wide, so that a short text is longer than they are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

WINDOW = 4
VOCABULARY = 97
MAX_NUMBERS = 1_000_000

SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "sliding_window": WINDOW,
    "attention_chunk_size": WINDOW,
    "local_attention": 2 * WINDOW,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # wide enough for attention to matter beside the residual stream
    "initializer_range": 0.2,
    # mixtures of experts
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "num_experts_per_token": 2,
    "top_k_experts": 2,
    "moe_k": 2,
    "moe_topk": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "n_shared_experts": 1,
    "num_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    # latent attention and its indexers
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "index_n_heads": 2,
    "index_head_dim": 8,
    "index_topk": 64,
    "index_block_size": 4,
    # recurrences and convolutions
    "state_size": 4,
    "mamba_d_state": 4,
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_chunk_size": 8,
    "linear_head_dim": 8,
    "linear_num_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}

_MIXED = {"layer_types": ["full_attention", "sliding_attention"]}
_MIXED_IF_ASKED = {**_MIXED, "use_sliding_window": True}
_ROTARY = {"rotary_dim": 4}
_TINY_TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}

_ROPE = {"rope_type": "default", "rope_theta": 10000.0}

# ``None`` takes a size away that a type shares by name only.
SPECIAL: dict[str, dict[str, Any]] = {
    "bamba": {"layer_types": None, "num_hidden_layers": 3, "attn_layer_indices": [1]},
    "blt": {
        **{f"{part}_config": {**_TINY_TOWER, "num_hidden_layers": 2} for part in ("patcher", "global")},
        **{f"{part}_config": {**_TINY_TOWER, "hidden_size_global": 32} for part in ("encoder", "decoder")},
        "encoder_hash_byte_group_vocab": 20,
    },
    "codegen": _ROTARY,
    "cohere_compass_text": {**_MIXED, "rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE}},
    "cpmant": {"dim_ff": 48, "dim_head": 8, "prompt_types": 4, "prompt_length": 4, "segment_types": 4},
    "ctrl": {"dff": 48},
    "dbrx": {
        "attn_config": {"rope_theta": 10000.0, "kv_n_heads": 2, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "dots3_note_text": {
        "head_dim": 12,
        **{f"swa_{name}": 8 for name in ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "v_head_dim")},
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_head_dim": 12,
    },
    "falcon_h1": {"layer_types": None, "mamba_d_ssm": 64},
    "gemma3n_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "activation_sparsity_pattern": [0.0] * 4,
        "intermediate_size": [48] * 4,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": VOCABULARY,
        "laurel_rank": 4,
    },
    "gemma4_text": {
        "global_head_dim": 16,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": VOCABULARY,
        **dict.fromkeys(("num_experts", "top_k_experts", "moe_intermediate_size")),
    },
    "git": {"vision_config": {**_TINY_TOWER, "image_size": 16, "patch_size": 8}},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": WINDOW},
    "gptj": _ROTARY,
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "jamba": {"layer_types": None, "attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "longcat_flash": {
        "num_layers": 1,
        "num_hidden_layers": None,
        "head_dim": 4,
        "zero_expert_num": 2,
        "ffn_hidden_size": 48,
    },
    "mamba2": {"num_heads": 8, "n_groups": 2, "chunk_size": 8},
    "minimax_m3_vl_text": {"layer_types": ["full_attention", "minimax_m3_sparse"]},
    "moshi": {"ffn_dim": 48},
    "nemotron_h": {"mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 2, "chunk_size": 8},
    "phi4_multimodal": {
        "vision_config": {**_TINY_TOWER, "image_size": 16, "patch_size": 8, "crop_size": 16},
        "audio_config": {
            **{name: value for name, value in _TINY_TOWER.items() if name != "num_hidden_layers"},
            "num_blocks": 1,
            "ext_pw_out_channel": 32,
            "depthwise_separable_out_channel": 32,
            "input_size": 16,
            "nemo_conv_channels": 32,
            "bias_max_distance": 8,
        },
    },
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 64,
        "indexer_compress_ratio": 4,
        "hc_lowrank": 8,
    },
    "recurrent_gemma": {"layer_types": None, "num_hidden_layers": 3, "lru_width": 32},
    "zamba": {"layer_types": ["linear_attention", "hybrid"] * 2, "num_hidden_layers": 4},
    "zamba2": {"layer_types": ["linear_attention", "hybrid"] * 2, "num_hidden_layers": 4},
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 16},
    # layers of a kind that the default configuration leaves out
    **dict.fromkeys(("dots1", "laguna", "mellum", "ministral"), _MIXED),
    **dict.fromkeys(("qwen2", "qwen2_moe", "qwen3", "smollm3"), _MIXED_IF_ASKED),
    "qwen3_moe": {"use_sliding_window": True},
}


def tiny_config(model_type: str, **changes: Any) -> PreTrainedConfig:
    """The configuration of a tiny model of this type; of a composite type, that of its text tower.

    Args:
        model_type: a key of transformers' causal-LM mapping.
        **changes: other sizes than the usual tiny ones, by their names in the configuration.

    Example:
        >>> tiny_config("gemma3").model_type, tiny_config("gemma3").hidden_size
        ('gemma3_text', 32)
    """
    default = _text_default(model_type)
    cls = type(default)
    sizes = {name: value for name, value in SMALL.items() if _can_set(cls, name)}
    if "kv_lora_rank" in sizes:
        sizes["num_key_value_heads"] = sizes["num_attention_heads"]  # latent attention has no groups
    kinds = list(dict.fromkeys(getattr(default, "layer_types", None) or ()))
    if kinds and _can_set(cls, "layer_types"):
        sizes["layer_types"] = kinds * 2 if len(kinds) == 1 else kinds
        sizes["num_hidden_layers"] = len(sizes["layer_types"])
    sizes.update({**SPECIAL.get(default.model_type, {}), **changes})
    own_names = {cls.attribute_map.get(name, name): value for name, value in sizes.items() if value is not None}
    with quiet():
        return cls(**own_names)


def tiny_model(
    model_type: str, config: PreTrainedConfig | None = None, *, seed: int = 0, **loading: Any
) -> PreTrainedModel:
    """A tiny random model of this type, without its language-model head, in evaluation mode.

    Args:
        model_type: a key of transformers' causal-LM mapping.
        config: by default that of :func:`tiny_config`.
        seed: of the weights.
        **loading: handed on to ``from_config``, such as ``attn_implementation``.

    Returns:
        The model; of a composite type, its text tower.

    Raises:
        ValueError: if the type cannot be made small with the known sizes.

    Example:
        >>> model = tiny_model("qwen2")
        >>> type(model).__name__, model.config.vocab_size
        ('Qwen2Model', 97)
    """
    config = config or tiny_config(model_type)
    with torch.device("meta"):
        planned = _build(model_type, config, loading)
    numbers = sum(tensor.numel() for tensor in (*planned.parameters(), *planned.buffers()))
    if numbers > MAX_NUMBERS:
        name, widest = max(planned.named_parameters(), key=lambda item: item[1].numel())
        raise ValueError(
            f"the tiny {model_type} has {numbers:,} numbers, above {MAX_NUMBERS:,}; its largest is {name} "
            f"{tuple(widest.shape)}: give the configuration's size for it in SPECIAL"
        )
    torch.manual_seed(seed)
    return _build(model_type, config, loading).eval()


def _build(model_type: str, config: PreTrainedConfig, loading: dict[str, Any]) -> PreTrainedModel:
    with quiet():
        if type(config) in AutoModel._model_mapping:
            return AutoModel.from_config(config, **loading)
        # Text towers that only exist inside their language model.
        cls = getattr(transformers, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type])
        language_model = cls._from_config(config, **loading)
        return next(child for child in language_model.children() if isinstance(child, PreTrainedModel))


def _text_default(model_type: str) -> PreTrainedConfig:
    with quiet():
        default = CONFIG_MAPPING[model_type]()
    return default.get_text_config()


def _can_set(cls: type[PreTrainedConfig], name: str) -> bool:
    return name in cls.__dataclass_fields__ or name in cls.attribute_map


_QUIET = threading.Lock()
_BEFORE: list[Any] = []  # verbosity and bars as they were, and an entry for each who wants it quiet


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and its remarks on tiny sizes and missing kernels."""
    log = transformers.utils.logging
    with _QUIET:
        # Both belong to the whole process: the first thread in remembers, the last one out gives back.
        if not _BEFORE:
            _BEFORE.extend([log.get_verbosity(), log.is_progress_bar_enabled()])
            log.set_verbosity_error()
            log.disable_progress_bar()
        _BEFORE.append(None)
    try:
        yield
    finally:
        with _QUIET:
            _BEFORE.pop()
            if len(_BEFORE) == 2:
                log.set_verbosity(_BEFORE[0])
                if _BEFORE[1]:
                    log.enable_progress_bar()
                _BEFORE.clear()
