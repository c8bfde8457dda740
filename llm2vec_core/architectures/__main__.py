"""``python -m llm2vec_core.architectures``: try out every type and write ``assets/docs/ARCHITECTURES.md``."""

from __future__ import annotations

import sys

from llm2vec_core.architectures.examine import causal_lm_types, examine
from llm2vec_core.architectures.page import PAGE, page


def main() -> None:
    """Examine every type; about half a minute."""
    types = causal_lm_types()
    examinations = []
    for number, model_type in enumerate(types, 1):
        print(f"\r{number}/{len(types)} {model_type:<32}", end="", file=sys.stderr, flush=True)
        examinations.append(examine(model_type))
    PAGE.write_text(page(examinations), encoding="utf-8")
    print(f"\rwrote {PAGE.name}: {len(types)} types{'':<32}", file=sys.stderr)


if __name__ == "__main__":
    main()
