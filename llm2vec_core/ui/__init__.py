"""The page. The only importer of gradio.

app.py          header, one loop over the tabs, launch settings
layout/         what stands around the tabs: header, sidebar, links to a view
tabs/           one folder a tab
form.py         a tab's fields and results by name; errors become notices
session.py      what belongs to one visitor
allowed.py      which models visitors may have loaded from the Hub
context.py      what all sessions share: encoders and what is computed with them
encoders.py     the options of the pickers, and a handle on the one that was picked
templates.py    HTML from Jinja2 templates that escape by themselves
embeddings_api.py  the encoders for clients of OpenAI's embeddings API
components.py   places on the page for HTML
plot.py         a plotly figure that keeps its zoom
copy.py         prose of the whole page
theme.py        gradio's own colours, type and corners
static/         scripts and styles of the whole page
"""

from llm2vec_core.extras import require

require(
    "app",
    "gradio",
    "fastapi",
    "starlette",
    "jinja2",
    "markupsafe",
    "plotly",
    "sklearn",
    "umap",
    "gguf",
    what="the page",
)
