"""The published package behind a pipe: it lives in an environment of its own, so it runs as a program.

    python published_worker.py MODEL_FOLDER TEXTS.json THREADS

answers each line of its input by the seconds that one pass over the texts took.
"""

import json
import sys
import time
from pathlib import Path

import torch
from llm2vec import LLM2Vec


def main() -> None:
    folder, texts_file, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    texts = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    model = LLM2Vec.from_pretrained(
        folder, enable_bidirectional=False, pooling_mode="mean", max_length=512, torch_dtype=torch.float32
    )
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        model.encode(texts, batch_size=32, show_progress_bar=False)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
