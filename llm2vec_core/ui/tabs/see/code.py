"""The Python that finds the cosines of a shared beginning."""

from __future__ import annotations

from llm2vec_core.ui.encoders import encoder_code, encoder_imports
from llm2vec_core.ui.tabs.see.model import Pair


def see_snippet(pair: Pair) -> str:
    """Code that prints each shared token with its cosine, causal and under the chosen stage.

    Args:
        pair: the sentences and stages as they are.
    """
    causal, other = (encoder_code(option.key, pair.context.preset) for option in (pair.causal, pair.stage))
    imports = "\n".join(["import numpy as np", *encoder_imports([pair.stage.key])])
    return f"""{imports}

a = {pair.a!r}
b = {pair.b!r}


def shared_beginning(encoder):
    first, second = encoder.token_states(a), encoder.token_states(b)
    x, y = first.hidden_states[-1].astype(float), second.hidden_states[-1].astype(float)  # (tokens, hidden)
    for i, (one, other) in enumerate(zip(first.token_ids, second.token_ids)):
        if one != other:
            break
        yield first.tokens[i], float(x[i] @ y[i] / (np.linalg.norm(x[i]) * np.linalg.norm(y[i])))


causal = {causal}
bidirectional = {other}
for (token, before), (_, after) in zip(shared_beginning(causal), shared_beginning(bidirectional)):
    print(f"{{token:12}} causal {{before:.6f}}   bidirectional {{after:.6f}}")
"""
