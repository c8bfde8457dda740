"""The architecture, checked: who may import whom, and what importing the core does not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "llm2vec_core"

# A module imports from floors below its own, or from its own folder.
FLOORS = {
    "errors": 0, "writing": 0.5, "charts": 0, "cache": 0, "threads": 0, "processes": 0.5, "extras": 0.5, "arguments": 0.75,
    "aliases": 1, "precision": 1, "presets": 1, "published": 1, "published_encoders": 2, "bidirectional": 1,
    "pooling": 1, "templates": 1, "acceleration": 1, "config_numbers": 0.5, "positions": 1, "weight_files": 1, "dense": 1, "low_rank": 1,
    "settings": 2, "batching": 2, "bundled_data": 2, "architectures": 2,
    "st_folders": 2.5,
    "checkpoints": 3,
    "gguf": 3.5,
    "provision": 3.75,
    "loading": 4, "adapters": 4, "hub_cache": 4.5,
    "encoder": 5, "protocol": 5,
    "baselines": 6, "corpus": 6, "stages": 6, "worker_pool": 6,
    "training": 7, "evaluation": 7, "search": 7, "projection": 7, "manifest": 7, "export": 7,
    "comparison": 8, "separation": 8, "similarity": 8, "filling": 8, "figures": 8, "hub": 8, "experiments": 8,
    "token_change": 8, "modules_page": 8, "logit_lens": 8.25, "word_pieces": 8.25,
    "constants": 8.5,
    "ui": 9,
    # The command line starts the page, too.
    "cli": 10,
    "__main__": 11,
}  # fmt: skip
ONLY_IMPORTER = {"gradio": "ui", "plotly": ("figures", "ui")}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, everywhere: bool = True) -> set[str]:
    tree = tree_of(path)
    nodes = ast.walk(tree) if everywhere else tree.body
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def home(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_imports_go_down():
    known = {module: path for module, path in modules().items() if "." in module}
    assert {home(module) for module in known} <= set(FLOORS), "a new module needs its floor in FLOORS"
    upwards = {
        module: wrong
        for module, path in known.items()
        if (
            wrong := [
                name
                for name in imports(path)
                if name in known and home(name) != home(module) and FLOORS[home(name)] >= FLOORS[home(module)]
            ]
        )
    }
    assert upwards == {}


def test_no_circles():
    known = modules()
    graph = {m: {n for n in imports(p, everywhere=False) if n in known and n != m} for m, p in known.items()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in graph[module]:
                # A package's own __init__ imports its modules: that edge is the package's business.
                if not module.startswith(name + "."):
                    visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_gradio_and_plotly_stay_where_they_belong():
    for module, path in modules().items():
        roots = {name.split(".")[0] for name in imports(path) if name}
        if "gradio" in roots:
            assert home(module) == "ui", module
        if "plotly" in roots:
            assert home(module) == "figures" or module == "llm2vec_core.ui.plot", module


IMPORTS = {
    "import llm2vec_core": ["torch", "transformers", "gradio", "plotly", "umap", "peft", "mteb", "lance", "ray"],
    "import llm2vec_core.corpus.lance_search, llm2vec_core.cli": ["torch", "lance", "ray"],
    "from llm2vec_core import LLM2Vec": ["gradio", "plotly", "umap", "peft", "mteb", "sentence_transformers"],
    "import llm2vec_core.ui.app": [
        "umap",
        "peft",
        "mteb",
        "sentence_transformers",
        "datasets",
        "sklearn",
        "scipy.stats",
    ],
    # What the page shows first is stored.
    "from llm2vec_core.ui.app import Models, build_app; build_app(Models())": [
        "umap",
        "peft",
        "sklearn",
        "scipy.stats",
    ],
}


@pytest.mark.process
def test_imports_load_no_more_than_needed():
    """One process, one import after the other: what an earlier one may not load, no later one is blamed for."""
    lines = ["import sys"]
    for statement, unwanted in IMPORTS.items():
        lines += [statement, f"print([m for m in {unwanted!r} if m in sys.modules])"]
    command = [sys.executable, "-c", "\n".join(lines)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.splitlines() == ["[]"] * len(IMPORTS)


def test_no_unsafe_loading():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                # Said out loud, it also keeps transformers from asking on the terminal.
                assert isinstance(node.value, ast.Constant) and node.value.value is False, path.name
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {a.name for a in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "joblib", "dill"}, path.name
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                pytest.fail(f"{path.name}: torch.load")


def test_public_names_are_what_all_says():
    import llm2vec_core

    named = [name for name in llm2vec_core.__all__ if name[0].isupper() and not name.isupper()]
    assert "LLM2Vec" in named
    assert [getattr(llm2vec_core, name).__name__ for name in named] == named
    assert set(llm2vec_core.__all__) <= set(dir(llm2vec_core))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = llm2vec_core.nothing
