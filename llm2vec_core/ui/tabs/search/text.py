"""What this tab says. Plain words first; a technical term is explained where it first appears."""

INTRO = """
<div class="l2v"><h2>The same question, two encoders</h2>
<p>324 short passages about twelve subjects. Each encoder turns the question and every passage into a vector and puts
the nearest ones first. Many words here have two lives: a <em>bank</em>, a <em>pitch</em>, a <em>cell</em>.</p></div>
"""

# Checked on the bundled model: bidirectional attention finds the first three; nobody finds the last one.
EXAMPLE_QUERIES = (
    "Why should I not take penicillin for a common cold?",
    "ways to haul people up a steep mountainside",
    "devices that stop a train automatically in an emergency",
    "Why does a loaf get bigger before it is baked?",
)
