"""Dense layers behind pooling: a linear map and an activation, as sentence-transformers keeps them.

EmbeddingGemma has two of them, LaBSE-like models one. They are read from that library's folders and kept in one file of
our own (``llm2vec_dense.safetensors``) beside a saved encoder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from llm2vec_core.config_numbers import no_json
from llm2vec_core.errors import ModelError

DENSE_FILE = "llm2vec_dense.safetensors"
_KEYS = {
    "in_features", "out_features", "bias", "activation_function", "module_input_name", "module_output_name",
    "use_residual",
}  # fmt: skip
_DEFAULT_ACTIVATION = "torch.nn.modules.activation.Tanh"
_EMBEDDING = "sentence_embedding"


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """One layer.

    Attributes:
        weight: float32 of shape (out, in).
        bias: float32 of shape (out,), or None.
        activation: a class of ``torch.nn``, by its path.
        residual: whether the input is added to the output; where their widths differ, it goes through
            ``residual_weight``, float32 of shape (out, in).
        residual_weight: None where it is not needed.
        normalize_input: whether a Normalize module stands in front.

    Example:
        >>> layer = DenseLayer(torch.eye(2)[:1] * 2, None, "torch.nn.modules.linear.Identity")
        >>> layer(np.array([[3.0, 5.0]], dtype=np.float32)).tolist()
        [[6.0]]
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    activation: str
    residual: bool = False
    residual_weight: torch.Tensor | None = None
    normalize_input: bool = False

    @property
    def width(self) -> int:
        """Length of what comes out."""
        return self.weight.shape[0]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Map embeddings of shape (texts, in) to (texts, out)."""
        given = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
        if self.normalize_input:
            given = nn.functional.normalize(given, dim=-1)
        result: torch.Tensor = activation_of(self.activation)(nn.functional.linear(given, self.weight, self.bias))
        if self.residual:
            result = result + (given if self.residual_weight is None else given @ self.residual_weight.T)
        return result.numpy()


def read_dense_module(find: Callable[[str], Path | None], path: str, normalize_input: bool, source: str) -> DenseLayer:
    """Read a Dense module of sentence-transformers.

    Args:
        find: gives a file by its path inside the folder; None if there is none.
        path: of the module in the folder.
        normalize_input: whether a Normalize module stands in front of it.
        source: the folder's name in messages.

    Raises:
        ModelError: naming what is missing, damaged, or not known here.
    """
    where = f"{path}/config.json of {source}"
    config = _config(find(f"{path}/config.json"), where)
    for name, value in config.items():
        if name not in _KEYS:
            raise ModelError(f"{where} sets {name} to {value!r:.60}, which cannot be read here")
    for name in ("module_input_name", "module_output_name"):
        if config.get(name) not in (None, _EMBEDDING):
            raise ModelError(f"{where} sets {name} to {config[name]!r:.60}; only {_EMBEDDING!r} can be read here")
    file = find(f"{path}/model.safetensors")
    if file is None:
        raise ModelError(
            f"{path} of {source} has no model.safetensors; a pickled pytorch_model.bin can run code when it is read "
            "and is refused: save the folder again with sentence-transformers"
        )
    tensors = _tensors(file, where)[0]
    shape = (config.get("out_features"), config.get("in_features"))
    weight = tensors.pop("linear.weight", None)
    bias = tensors.pop("linear.bias", None) if config.get("bias", True) else None
    residual = bool(config.get("use_residual", False))
    residual_weight = tensors.pop("residual.weight", None) if residual and shape[0] != shape[1] else None
    if weight is None or tuple(weight.shape) != shape or tensors or (bias is None) is bool(config.get("bias", True)):
        raise ModelError(f"{path}/model.safetensors of {source} does not hold the layer of its config.json, {shape}")
    activation = config.get("activation_function", _DEFAULT_ACTIVATION)
    _check_activation(activation, where)
    return DenseLayer(weight, bias, activation, residual, residual_weight, normalize_input)


def check_widths(layers: Sequence[DenseLayer], width: int, source: str) -> None:
    """Raise unless each layer takes what the one before it gives.

    Args:
        layers: in their order.
        width: of a token's vector.
        source: the folder's name in messages.

    Raises:
        ModelError: if one does not fit.
    """
    for layer in layers:
        if layer.weight.shape[1] != width:
            raise ModelError(
                f"a Dense layer of {source} takes embeddings of {layer.weight.shape[1]} numbers and gets {width}"
            )
        width = layer.width


def save_dense(layers: Sequence[DenseLayer], folder: Path) -> None:
    """Write layers to ``llm2vec_dense.safetensors``; nothing if there are none."""
    if not layers:
        return
    tensors, said = {}, []
    for number, layer in enumerate(layers):
        for name in ("weight", "bias", "residual_weight"):
            if (tensor := getattr(layer, name)) is not None:
                tensors[f"{number}.{name}"] = tensor.contiguous()
        said.append({name: getattr(layer, name) for name in ("activation", "residual", "normalize_input")})
    save_file(tensors, str(folder / DENSE_FILE), metadata={"layers": json.dumps(said)})


def read_dense(file: Path | None) -> tuple[DenseLayer, ...]:
    """What :func:`save_dense` wrote; nothing if there is no file.

    Raises:
        ModelError: if it is damaged.
    """
    if file is None:
        return ()
    tensors, metadata = _tensors(file, DENSE_FILE)
    try:
        layers = tuple(
            DenseLayer(
                tensors[f"{number}.weight"],
                tensors.get(f"{number}.bias"),
                residual_weight=tensors.get(f"{number}.residual_weight"),
                **said,
            )
            for number, said in enumerate(json.loads(metadata["layers"]))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{DENSE_FILE} is damaged: download it again ({type(error).__name__}: {error})") from error
    for layer in layers:
        _check_activation(layer.activation, DENSE_FILE)
    return layers


def _config(file: Path | None, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file else None
    except (OSError, ValueError, RecursionError) as error:
        why = "cannot be read" if isinstance(error, OSError) else no_json(error)
        raise ModelError(f"{where} {why}: the download may be unfinished") from error
    if not isinstance(found, dict):
        raise ModelError(f"{where} is missing or holds no JSON object: the download may be unfinished")
    return found


def _tensors(file: Path, where: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(str(file), framework="pt") as stored:
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118 - no mapping
            metadata = stored.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file.name} beside {where} is damaged or cut off ({error}): download it again") from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"the weight {name} beside {where} holds NaN or infinity: the file is damaged")
    return tensors, metadata


def activation_of(path: str) -> nn.Module:
    """An activation of torch.nn by its path."""
    module: nn.Module = getattr(nn, path.rsplit(".", 1)[-1])()
    return module


def _check_activation(path: Any, where: str) -> None:
    """Only what torch itself has, and has no weights, is run."""
    known = isinstance(path, str) and path.startswith("torch.nn.") and hasattr(nn, path.rsplit(".", 1)[-1])
    try:
        kind = getattr(nn, path.rsplit(".", 1)[-1]) if known else None
        plain = isinstance(kind, type) and issubclass(kind, nn.Module) and not list(kind().parameters())
    except TypeError:
        plain = False
    if not plain:
        raise ModelError(f"{where} sets activation_function to {path!r:.80}; only those of torch.nn can be read here")
