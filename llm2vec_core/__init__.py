"""Turn a decoder-only language model into a text encoder, and see what bidirectional attention changes.

Public names load when they are first used: importing this package loads neither torch nor a user
interface.

    >>> import llm2vec_core
    >>> sorted(llm2vec_core.__all__)[:3]
    ['AdapterError', 'Attentions', 'BASELINES']
"""

from importlib import import_module
from typing import Any

__version__ = "0.6.0"

_HOMES = {
    "LLM2Vec": "encoder",
    "TokenStates": "encoder",
    "Attentions": "encoder",
    "make_bidirectional": "bidirectional",
    "prefix_test": "bidirectional",
    "shared_weights_view": "bidirectional",
    "PrefixReport": "bidirectional",
    "Conversion": "bidirectional",
    "EncoderSettings": "settings",
    "TEMPLATES": "templates",
    "BASELINES": "baselines",
    "fill_blanks": "filling",
    "measure_pairs": "separation",
    "pool": "pooling",
    "POOLING_MODES": "pooling",
    "PRESETS": "presets",
    "SearchIndex": "search",
    "LLM2VecError": "errors",
    "InputError": "errors",
    "ModelError": "errors",
    "AdapterError": "errors",
    "ConversionError": "errors",
    "ExportError": "errors",
    "HubError": "errors",
    "MissingPackageError": "errors",
    "TrainingError": "errors",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
