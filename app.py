"""Start the page: ``python app.py [--host 127.0.0.1] [--port 7860] [--model mini]``; ``python -m llm2vec_core app``."""

import sys

from llm2vec_core.cli import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
