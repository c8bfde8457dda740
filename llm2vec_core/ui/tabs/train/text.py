"""What this tab says. Plain words first; a technical term is explained where it first appears."""

INTRO = """
<div class="l2v"><h2>Train a little, right here</h2>
<p>Training changes a small <em>adapter</em> (LoRA: a few thin matrices beside the frozen weights). <b>MNTP</b> hides words and
lets the model fill them in with both sides in view. <b>SimCSE</b> reads each text twice with random gaps and learns to
recognise it among the others. The adapter is yours alone; choose it in <em>Compare</em> afterwards.</p></div>
"""

OBJECTIVE_LABELS = {"mntp": "MNTP: fill in masked words", "simcse": "SimCSE: tell texts apart"}
