"""The Python that draws what this tab shows."""

from __future__ import annotations

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.encoders import encoder_code, encoder_imports
from llm2vec_core.ui.tabs.map.settings import NEIGHBORS, MapSettings
from llm2vec_core.ui.user_texts import BUNDLED_TEXTS, Texts

# More texts than this are read from a file instead of standing in the code.
SPELLED_OUT = 40


def map_snippet(preset: ModelPreset, texts: Texts, settings: MapSettings) -> str:
    """Code that computes both layouts, aligned, and the measures of the panels.

    Args:
        preset: the model.
        texts: what is shown.
        settings: the fields as they are.
    """
    layout = "umap_layout"
    call = (
        f"umap_layout(embeddings, {settings.dimensions}, n_neighbors={settings.n_neighbors}, "
        f"min_dist={settings.min_dist!r}, metric={settings.metric!r}, seed={settings.seed})"
    )
    if settings.kind == "pca":
        layout = "pca_layout"
        call = f"pca_layout(embeddings, {settings.dimensions}, metric={settings.metric!r}).points"
    ours = settings.source == BUNDLED_TEXTS
    imports = encoder_imports((settings.left, settings.right))
    imports += ["from llm2vec_core.bundled_data import passages"] if ours else []
    imports += [f"from llm2vec_core.projection import align, {layout}, neighbor_overlap, neighborhood_trust"]
    lines = [*imports, "", _texts(texts, ours), ""]
    lines += [f"left = {encoder_code(settings.left, preset)}", f"right = {encoder_code(settings.right, preset)}"]
    metric = f"metric={settings.metric!r}"
    lines += [
        "first, second = left.encode(texts), right.encode(texts)",
        "",
        "",
        "def layout(embeddings):",
        f"    return {call}",
        "",
        "",
        "on_the_left = layout(first)",
        "on_the_right = align(on_the_left, layout(second))  # Procrustes: rotated and scaled to match the left one",
        f"overlap = neighbor_overlap(first, second, {NEIGHBORS}, {metric})  # by the full vectors",
        f"trust = [neighborhood_trust(e, layout(e), {NEIGHBORS}, {metric}) for e in (first, second)]",
        'print(f"{1 - overlap.mean():.0%} of the neighbours are new on the right")',
        'print(f"trustworthiness of the pictures: {trust[0]:.2f} and {trust[1]:.2f}")',
        'print("moved most:", texts[overlap.argmin()])',
    ]
    return "\n".join(lines) + "\n"


def _texts(texts: Texts, ours: bool) -> str:
    if ours:
        return "texts = [passage.text for passage in passages()]"
    if len(texts) <= SPELLED_OUT:
        return "texts = [\n" + "".join(f"    {text!r},\n" for text in texts.texts) + "]"
    return 'with open("texts.txt", encoding="utf-8") as file:  # one per line\n    texts = file.read().splitlines()'
