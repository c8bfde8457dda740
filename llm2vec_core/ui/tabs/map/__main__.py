"""``python -m llm2vec_core.ui.tabs.map``: lay the opening picture out anew, after the model has changed."""

from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.tabs.map.stored import write_layouts

if __name__ == "__main__":
    write_layouts(AppContext())
