"""``python -m llm2vec_core.published_encoders``: what published encoders become here, as ``assets/docs/ENCODERS.md``.

Each row is a layout with the parts of its config.json that decide; what it becomes is computed, not written.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from llm2vec_core.aliases import ALIASES, REFUSED, alias_settings, direction, known_config
from llm2vec_core.presets import ASSETS

PAGE = ASSETS / "docs" / "ENCODERS.md"


@dataclass(frozen=True)
class Layout:
    """A kind of folder that encoders are published in.

    Attributes:
        models: examples on the Hub.
        config: what decides in config.json.
        modules: what follows Transformer in modules.json; empty if there is none.
        note: more that one should know.
    """

    models: str
    config: dict[str, Any]
    modules: tuple[str, ...] = ()
    note: str = ""


_REMOTE = {"AutoModel": "modeling.Model"}
_LAST = ("Pooling (last token)", "Normalize")

LAYOUTS: tuple[Layout, ...] = (
    Layout("McGill-NLP/LLM2Vec-*", {"model_type": "llama"}, (), "adapters; their base and chain are followed"),
    *(
        Layout(
            alias.published,
            {"model_type": name, "auto_map": _REMOTE} | ({alias.pooling: "avg"} if alias.pooling else {}),
            (),
            "where modules.json names a module from the repository, the folder is refused with its name"
            if name == "bidirectional_pplx_qwen3"
            else "",
        )
        for name, alias in ALIASES.items()
    ),
    Layout(
        "google/embeddinggemma-300m",
        {"model_type": "gemma3_text", "use_bidirectional_attention": True, "sliding_window": 512},
        ("Pooling (mean)", "Dense", "Dense", "Normalize"),
        "the causal view has the whole window",
    ),
    Layout(
        "encoders on Gemma 4",
        {"model_type": "gemma4_text", "use_bidirectional_attention": "all", "sliding_window": 512},
        (),
        "`vision` opens attention for images only",
    ),
    Layout(
        "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
        {"model_type": "qwen2", "is_causal": False, "auto_map": _REMOTE},
        _LAST,
        "loads where its own code no longer does",
    ),
    Layout("Nemotron-3-Embed", {"model_type": "ministral3", "is_causal": False}, ("Pooling (mean)", "Normalize")),
    Layout("Qwen/Qwen3-Embedding-0.6B", {"model_type": "qwen3"}, _LAST, "prompts by name"),
    Layout("intfloat/e5-mistral-7b-instruct", {"model_type": "mistral"}, _LAST, "prompts by name"),
    Layout("Linq-AI-Research/Linq-Embed-Mistral, Salesforce/SFR-Embedding-Mistral", {"model_type": "mistral"}, _LAST),
    Layout("BAAI/bge-multilingual-gemma2", {"model_type": "gemma2"}, _LAST),
    Layout(
        "GritLM/GritLM-7B",
        {"model_type": "mistral", "auto_map": _REMOTE},
        (),
        "give bidirectional=True and template='gritlm'",
    ),
    *(Layout(f"`{name}`", {"model_type": name, "auto_map": _REMOTE}) for name in REFUSED),
)


def row(layout: Layout) -> str:
    """One line of the table.

    Example:
        >>> row(Layout("a/b", {"model_type": "llama_bidirec", "pooling": "avg"}))
        '| a/b | `model_type: llama_bidirec`, `pooling: avg` | `llama` | both directions | mean |  |'
    """
    shown = ", ".join(
        f"`{name}`" if name == "auto_map" else f"`{name}: {str(value).lower()}`"
        for name, value in layout.config.items()
    )
    kind = layout.config["model_type"]
    if kind in REFUSED:
        return f"| {layout.models} | {shown} | refused | | | {REFUSED[kind]} |"
    known = known_config(layout.config, "")["model_type"]
    pooling = alias_settings(layout.config).get("pooling_mode", "mean").replace("_", " ")
    if layout.modules:
        pooling = ", ".join(layout.modules)
    return f"| {layout.models} | {shown} | `{known}` | {_reading(layout)} | {pooling} | {layout.note} |"


def _reading(layout: Layout) -> str:
    found = direction(layout.config)
    if found.bidirectional is None:
        return "unknown, with a warning"
    if not found.bidirectional:
        return "causal" if layout.modules else "as you choose; both directions by default"
    return "both directions" + (", half of the window to either side" if found.sliding_window == "halved" else "")


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Published encoders",
            "",
            "What `LLM2Vec.from_pretrained` does with encoders as published. No code from a model's repository",
            "is run: a type that only renames another one is read as that one and its attention is opened here. Each",
            "kind of row was tested on a tiny twin (`tests/test_aliases.py`); the models themselves were not",
            "downloaded. `python -m llm2vec_core.published_encoders` rewrites this page.",
            "",
            "| Model | What config.json says | Read as | Direction | Pooling and later modules | |",
            "|---|---|---|---|---|---|",
            *map(row, LAYOUTS),
            "",
            "A sentence-transformers folder is read in the direction of its own library; any other folder in both",
            "directions unless you say `bidirectional=False`. GGUF files of the architectures that transformers reads",
            "load too (`gguf_file=` where there are several), and `llm2vec_core.gguf.convert_gguf` writes one as",
            "safetensors.",
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(LAYOUTS)} layouts", file=sys.stderr)
