"""The page. The only importer of gradio.

app.py          header, one loop over the tabs, launch settings
context.py      what handlers share: encoders, embeddings, limits
visitor.py      what belongs to one visitor alone
handlers.py     errors become readable notices, what was on the screen stays
paint.py        numbers -> escaped HTML and SVG
plot.py         a plotly figure that keeps its zoom
text.py         all prose
theme.py        colours, type, spacing
tabs/           one file a tab
"""
