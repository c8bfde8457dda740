"""The tabs, in the order of the page. To add one, write one folder and name its ``TAB`` here."""

from llm2vec_core.ui.page import Tab
from llm2vec_core.ui.tabs.compare.view import TAB as COMPARE
from llm2vec_core.ui.tabs.export.view import TAB as AWAY
from llm2vec_core.ui.tabs.ladder.view import TAB as LADDER
from llm2vec_core.ui.tabs.map.view import TAB as MAP
from llm2vec_core.ui.tabs.search.view import TAB as SEARCH
from llm2vec_core.ui.tabs.see.view import TAB as SEE
from llm2vec_core.ui.tabs.train.view import TAB as TRAIN

TABS: tuple[Tab, ...] = (SEE, LADDER, COMPARE, SEARCH, MAP, TRAIN, AWAY)

__all__ = ["TABS", "Tab"]
