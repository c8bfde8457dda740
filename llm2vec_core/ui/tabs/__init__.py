"""The tabs, in the order of the page. To add one, write one file and name its ``TAB`` here."""

from llm2vec_core.ui.tabs.base import Tab
from llm2vec_core.ui.tabs.compare import TAB as COMPARE
from llm2vec_core.ui.tabs.map import TAB as MAP
from llm2vec_core.ui.tabs.search import TAB as SEARCH
from llm2vec_core.ui.tabs.train import TAB as TRAIN

TABS: tuple[Tab, ...] = (COMPARE, SEARCH, MAP, TRAIN)

__all__ = ["TABS", "Tab"]
