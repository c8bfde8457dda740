"""What this tab says. Plain words first; a technical term is explained where it first appears."""

INTRO = """
<div class="l2v"><h2>Two sentences, one beginning</h2>
<p>Change the sentences and watch the words that they share. Under causal attention a shared beginning has the very same
vectors in both, whatever follows.</p></div>
"""

ATTENTION_INTRO = """
<div class="l2v"><h2>Where each word looks</h2>
<p><em>Attention</em> is how much of each other word a word takes in; every row adds up to 1. One layer holds several
<em>heads</em>, each looking for something else.</p></div>
"""
