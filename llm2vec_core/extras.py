"""Optional packages: what is missing is named together with the extra that brings it."""

from __future__ import annotations

from importlib.util import find_spec

from llm2vec_core.errors import MissingPackageError

# Where a package is installed under another name than it is imported by.
_PACKAGES = {
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "sentence_transformers": "sentence-transformers",
    "lance": "pylance",
}


def require(extra: str, *modules: str, what: str = "this") -> None:
    """Stop unless optional packages are installed; nothing is imported.

    Args:
        extra: of this distribution's extras, the one that brings them.
        modules: top-level modules, as they are imported.
        what: needs them; the subject of the message.

    Raises:
        MissingPackageError: naming the packages that are missing and the extra.

    Example:
        >>> require("map", "sklearn", "umap")
        >>> require("map", "no_such_module", what="it")
        Traceback (most recent call last):
            ...
        llm2vec_core.errors.MissingPackageError: it needs no_such_module: pip install '.[map]' in the project's folder
    """
    missing = [_PACKAGES.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        how = f"pip install '.[{extra}]' in the project's folder"
        raise MissingPackageError(f"{what} needs {', '.join(missing)}: {how}")
