"""What this tab says. Plain words first; a technical term is explained where it first appears."""

INTRO = """
<div class="l2v"><h2>The collection as two maps</h2>
<p>Each mark is a passage, coloured by its subject. Passages that an encoder finds alike lie close together. First you
see a linear projection (PCA); then UMAP, which keeps neighbours together. Distances <em>between</em> far-off groups on a UMAP map
mean little.</p></div>
"""
