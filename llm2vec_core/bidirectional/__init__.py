"""Make a decoder bidirectional, undo it, and prove by behaviour which of the two it is.

A decoder-only language model reads with a *causal* mask: token i attends to tokens 0..i, so its vector
cannot depend on what comes after it. Step 1 of LLM2Vec (BehnamGhader et al., 2024, section 2.1) replaces
that mask by one that is open in both directions, without touching a weight.

- ``layers.py`` finds a model's layers and makes views that share weights;
- ``probe.py`` sees by behaviour in which direction a model and each of its layers read;
- ``masks.py`` hands a model an explicit open mask when it would build a causal one;
- ``conversion.py`` opens a model rung by rung, probing after each, and undoes it.
"""

from llm2vec_core.bidirectional.conversion import OPEN_WINDOW, Conversion, SlidingWindow, make_bidirectional
from llm2vec_core.bidirectional.layers import decoder_layers, eager_view, shared_weights_view
from llm2vec_core.bidirectional.probe import PrefixReport, prefix_test, same_states

__all__ = [
    "OPEN_WINDOW",
    "Conversion",
    "PrefixReport",
    "SlidingWindow",
    "decoder_layers",
    "eager_view",
    "make_bidirectional",
    "prefix_test",
    "same_states",
    "shared_weights_view",
]
