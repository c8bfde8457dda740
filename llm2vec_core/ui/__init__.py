"""The page. The only importer of gradio.

app.py          header, one loop over the tabs, launch settings
context.py      what handlers share: encoders, embeddings, limits
visitor.py      what belongs to one visitor alone
opening.py      the opening pair, painted before anything is computed
handlers.py     errors become readable notices, what was on the screen stays
html.py         places on the page for painted HTML
paint.py        numbers -> escaped HTML and SVG
plot.py, .js    a plotly figure that keeps its zoom
text.py         all prose
theme.py        gradio's own colours, type and corners
page.css        the look of what this project draws
tabs/           one file a tab
"""
