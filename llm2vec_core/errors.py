"""Every error that this package raises on purpose.

    LLM2VecError
    ├── InputError (ValueError)            texts, options or files that cannot be used
    ├── ModelError (RuntimeError)          a model or an adapter that cannot be loaded
    │   └── AdapterError                   an adapter that does not fit its base
    ├── ConversionError (RuntimeError)     a model that cannot be made bidirectional
    ├── ExportError (RuntimeError)         an encoder that cannot be written for other code to read
    │   └── HubError                       an upload that did not succeed
    ├── WorkerError (RuntimeError)        a process of our own that ended before its work was done
    ├── GpuError (RuntimeError)           a lent GPU that was not to be had, or was taken back
    ├── MissingPackageError (ImportError)  an optional package that is not installed
    └── TrainingError (RuntimeError)       a training run that cannot go on
        └── DivergenceError                one whose numbers are no longer finite

Each message names the value that was wrong and what would be right. The page shows ``str(error)`` to
its visitors, so a message says nothing about the server's file system.
"""

from __future__ import annotations


class LLM2VecError(Exception):
    """Base of the package's errors."""


class InputError(LLM2VecError, ValueError):
    """A text, an option or a file that cannot be used."""


class ModelError(LLM2VecError, RuntimeError):
    """A model that cannot be loaded."""


class AdapterError(ModelError):
    """An adapter that does not fit its base model."""


class ConversionError(LLM2VecError, RuntimeError):
    """A model that cannot be made bidirectional.

    Attributes:
        causal_layers: indices of the layers that still read from left to right, wholly or in part.
        reason: "recurrent", "hybrid", "own causality", "forward pass fails" or "not finite".
    """

    def __init__(self, message: str, causal_layers: tuple[int, ...] = (), reason: str = "") -> None:
        super().__init__(message)
        self.causal_layers = causal_layers
        self.reason = reason


class ExportError(LLM2VecError, RuntimeError):
    """An encoder that cannot be written so that other code reads it as we do."""


class HubError(ExportError):
    """An upload to the Hub that did not succeed."""


class TrainingError(LLM2VecError, RuntimeError):
    """A training run that cannot go on."""


class DivergenceError(TrainingError):
    """A training run whose numbers are no longer finite; the adapter is as the last good step left it."""


class WorkerError(LLM2VecError, RuntimeError):
    """A process of our own that ended before its work was done."""


class GpuError(LLM2VecError, RuntimeError):
    """A lent GPU that was not to be had, or was taken back."""


class MissingPackageError(LLM2VecError, ImportError):
    """An optional package that is not installed; the message says how to install it."""
