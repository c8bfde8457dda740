"""Which causal-LM types of transformers become bidirectional: tried out, type by type, not listed by hand.

- ``tiny.py`` builds a tiny random model of a type;
- ``examine.py`` converts it and looks at what it then does;
- ``page.py`` writes what was seen to ``assets/docs/ARCHITECTURES.md`` (``python -m llm2vec_core.architectures``).
"""

from llm2vec_core.architectures.examine import OUT_OF_SCOPE, Examination, causal_lm_types, examine
from llm2vec_core.architectures.tiny import tiny_config, tiny_model

__all__ = ["OUT_OF_SCOPE", "Examination", "causal_lm_types", "examine", "tiny_config", "tiny_model"]
