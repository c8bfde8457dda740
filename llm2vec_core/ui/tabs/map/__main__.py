"""``python -m llm2vec_core.ui.tabs.map``: lay the opening pictures out anew, after a model has changed."""

from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.tabs.map.stored import write_layouts

if __name__ == "__main__":
    for preset in STORED_PRESETS:
        write_layouts(AppContext(preset))
