"""``python -m llm2vec_core.ui.tabs.ladder``: make what the tab opens with anew, after a model has changed."""

import json

from llm2vec_core.bundled_data import blank_presets
from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.tabs.ladder.model import opening_of
from llm2vec_core.ui.tabs.ladder.stored import as_json, file_of

if __name__ == "__main__":
    for preset in STORED_PRESETS:
        opening = opening_of(AppContext(preset), blank_presets())
        file_of(preset.key).write_text(json.dumps(as_json(opening), indent=1, ensure_ascii=False) + "\n", "utf-8")
