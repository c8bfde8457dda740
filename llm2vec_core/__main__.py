"""``python -m llm2vec_core``."""

import sys

from llm2vec_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
