"""The Python that searches as the tab just did."""

from __future__ import annotations

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import encoder_code, encoder_imports
from llm2vec_core.ui.tabs.search.model import SearchResult

# Longer lists of the visitor's own are read from a file.
WRITTEN_OUT = 2_000


def search_snippet(result: SearchResult, preset: ModelPreset, top_k: int) -> str:
    """Python that makes both lists.

    Args:
        result: what the tab shows.
        preset: the model.
        top_k: hits in each list.
    """
    written = repr(list(result.texts.texts)) if len(result.texts) <= WRITTEN_OUT else ""
    imports = encoder_imports([side.encoder.key for side in result.sides], "SearchIndex")
    if result.texts.is_bundled:
        imports.append("from llm2vec_core.bundled_data import passages")
        texts = "[passage.text for passage in passages()]"
    elif written and len(written) <= WRITTEN_OUT:
        texts = written
    else:
        imports = ["import json", "from pathlib import Path", "", *imports]
        texts = f'json.loads(Path("texts.json").read_text())  # a list of your {len(result.texts)} texts'
    lines = "\n".join(imports)
    return f"""{lines}

texts = {texts}
query = {result.query!r}
instruction = {result.instruction or None!r}  # prepended to the query only
encoders = [
    {encoder_code(result.left.encoder.key, preset)},
    {encoder_code(result.right.encoder.key, preset)},
]
lists = []
for encoder in encoders:
    index = SearchIndex(encoder.encode(texts, pooling_mode={result.left.encoder.pooling!r}))
    vector = encoder.encode([query], instruction, pooling_mode={result.left.encoder.pooling!r})[0]
    lists.append(index.search(vector, top_k={top_k}))
for hits in lists:
    for hit in hits:
        print(f"{{hit.rank:2}}  {{hit.cosine:.3f}}  {{texts[hit.index][:80]}}")
"""
