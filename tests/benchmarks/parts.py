"""What the report measures, each part in a process of its own: ``python -m tests.benchmarks.parts NAME [--small]``.

A part prints one JSON object a line: what, model, figure, and what it is compared with. Ratios are medians of rounds in
which all take turns, so that a busy machine hurts all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from llm2vec_core.bundled_data import passages
from llm2vec_core.presets import BUNDLED, SMOLLM2, ModelPreset
from llm2vec_core.provision import is_at_hand, provide

if TYPE_CHECKING:
    from llm2vec_core.encoder import LLM2Vec

Row = dict[str, str]
PEER = "sentence-transformers"


def row(what: str, model: str, figure: str, beside: str = "") -> Row:
    """One line of the report."""
    return {"what": what, "model": model, "figure": figure, "beside": beside}


def models() -> list[ModelPreset]:
    """Those that are on this machine."""
    return [preset for preset in (BUNDLED, SMOLLM2) if is_at_hand(preset)]


def own_texts(count: int) -> list[str]:
    """Different texts of two sentences each, as a visitor might bring."""
    rng = random.Random(0)
    sentences = [s.strip(". ") for p in passages() for s in p.text.split(". ") if len(s.split()) > 4]
    return [f"{rng.choice(sentences)}. {rng.choice(sentences)} ({i})." for i in range(count)]


def without_chat_template(base: str, folder: Path) -> str:
    """The model's files, but for its chat template: sentence-transformers would put every text into a conversation."""
    for file in Path(base).iterdir():
        if file.name == "tokenizer_config.json":
            settings = json.loads(file.read_text(encoding="utf-8"))
            settings.pop("chat_template", None)
            (folder / file.name).write_text(json.dumps(settings), encoding="utf-8")
        elif file.name != "chat_template.jinja":
            (folder / file.name).symlink_to(file.resolve())
    return str(folder)


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def contenders(ours: LLM2Vec, base: str) -> dict[str, Callable[[], Callable[[list[str]], np.ndarray]]]:
    """What encodes the texts: by name, what makes it (or fails to)."""
    from llm2vec_core.acceleration import faster_precisions
    from tests.benchmarks.peers import compiled_by_openvino, sentence_transformer

    makers: dict[str, Callable[[], Callable[[list[str]], np.ndarray]]] = {"ours, float32": lambda: ours.encode}
    for precision in faster_precisions():
        makers[f"ours, {precision}"] = lambda p=precision: ours.with_settings(precision=p).encode
    for name, backend in ((PEER, "torch"), (f"{PEER}, openvino", "openvino"), (f"{PEER}, onnx", "onnx")):
        makers[name] = lambda b=backend: sentence_transformer(base, ours.max_length, b)
    for hint in ("f32", "bf16"):
        makers[f"OpenVINO, {hint}"] = lambda h=hint: compiled_by_openvino(ours, h)
    return makers


def encode(small: bool) -> Iterator[Row]:
    """Tokens a second beside sentence-transformers, all causal with mean pooling, the same weights and texts."""
    from llm2vec_core.encoder import LLM2Vec
    from tests.benchmarks.bench_encode import difference, texts

    for preset in models():
        data = texts()[: (20 if small else 1000) if preset.bundled else (5 if small else 100)]
        place = tempfile.TemporaryDirectory()
        base = without_chat_template(provide(preset.base), Path(place.name))
        ours = LLM2Vec.from_pretrained(base, bidirectional=False, device="cpu")
        runs = {}
        for name, make in contenders(ours, base).items():
            try:
                runs[name] = make()
            except Exception as error:  # a peer that is not installed, or that this transformers is too new for
                yield row(f"Encoding, {name}", preset.label, "not run", f"{type(error).__name__}: {error}"[:160])
        expected = runs[PEER](data)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(2 if small else 5):
            for name, run in runs.items():
                spent = seconds(run, data)
                if number:  # the first turn of each is for warming up
                    times[name].append(spent)
        tokens = sum(len(r.input_ids) for r in ours.tokenize(data))
        for name, spent in times.items():
            ratio = statistics.median(b / a for a, b in zip(spent, times[PEER], strict=True))
            cosine = difference(runs[name](data), expected)[1]
            yield row(
                f"Encoding, {name}",
                preset.label,
                f"{tokens / statistics.median(spent):,.0f} tokens/s",
                f"{ratio:.2f} x {PEER}; lowest cosine {cosine:.4f}",
            )
        place.cleanup()


def page(small: bool) -> Iterator[Row]:
    """The start of ``python app.py``, its first answers, the same asked again, and its memory."""
    import httpx

    from tests.load.__main__ import started
    from tests.load.figures import Figures
    from tests.load.visitor import Visitor
    from tests.load.visits import compare, draw, search, see

    async def visit(address: str, label: str) -> list[Row]:
        found, figures = [], Figures()
        async with httpx.AsyncClient(base_url=address, timeout=300.0) as client:
            visitor = Visitor(client, figures)
            await visitor.arrive()
            for action in (see, compare, search, draw):
                for _ in range(1 if small else 4):
                    await action(visitor, random.Random(len(figures.answers)))
            await visitor.leave()
        for kind, times in figures.answers.items():
            later = f"then {statistics.median(times[1:]):.2f} s" if len(times) > 1 else ""
            found.append(row(f"Page: {kind}", label, f"first {times[0]:.2f} s", later))
        found += [row("Page: error", label, error) for error in figures.errors]
        return found

    for preset in models():
        with tempfile.TemporaryFile() as log:
            begun = time.monotonic()
            process, address = started(preset.key, log)
            try:
                server = psutil.Process(process.pid)
                yield row("Page: start to first reply", preset.label, f"{time.monotonic() - begun:.1f} s")
                yield row("Page: memory at the first reply", preset.label, f"{server.memory_info().rss / 1e9:.2f} GB")
                yield from asyncio.run(visit(address, preset.label))
                yield row("Page: memory after one visit", preset.label, f"{server.memory_info().rss / 1e9:.2f} GB")
            finally:
                process.terminate()
                process.wait(timeout=60)


def umap(small: bool) -> Iterator[Row]:
    """A layout in a process that has made none yet, and the next."""
    from llm2vec_core.projection import umap_layout

    rng = np.random.default_rng(0)
    points = 200 if small else 2000
    rows = rng.standard_normal((20, 384))[rng.integers(20, size=points)] + rng.standard_normal((points, 384))
    first, then = (seconds(lambda: umap_layout(rows.astype(np.float32), 2)) for _ in range(2))
    yield row(f"UMAP of {points:,} x 384", "", f"first {first:.1f} s", f"then {then:.1f} s")


def index(small: bool) -> Iterator[Row]:
    """Own texts of two sentences under two encoders, as Search indexes them, and a question."""
    from llm2vec_core.ui.context import AppContext
    from llm2vec_core.ui.session import Session
    from llm2vec_core.ui.tabs.search import model
    from llm2vec_core.ui.user_texts import pasted_texts

    for preset in models():
        count = (100 if small else 5000) if preset.bundled else (10 if small else 200)
        context, session = AppContext(preset), Session(preset.key)
        session.texts = texts = pasted_texts("\n".join(own_texts(count)), context.limits)
        encoders = tuple(session.handle(key, context) for key in ("causal", preset.default.key))
        for encoder in encoders:
            encoder.encode(["warm up"])
        spent = seconds(list, model.make_indexes(context, texts, encoders))
        asked = [seconds(model.search, context, texts, encoders, "where is the river?") for _ in range(5)]
        tokens = sum(len(ids) for ids in encoders[0].encoder.tokenizer(list(texts.texts))["input_ids"])
        yield row(
            f"Index of {count:,} own texts under two encoders",
            preset.label,
            f"{spent:.1f} s ({2 * tokens / spent:,.0f} tokens/s)",
            f"a question {statistics.median(asked) * 1000:.0f} ms",
        )


def train(small: bool) -> Iterator[Row]:
    """MNTP, as Train does it (rank 16, 16 texts of 64 tokens)."""
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.training.config import TrainingConfig
    from llm2vec_core.training.loop import AdapterTraining
    from llm2vec_core.training.objectives import MNTP

    for preset in models():
        steps = 3 if small else (30 if preset.bundled else 6)
        base = LLM2Vec.from_pretrained(provide(preset.base), device="cpu")
        texts = [" ".join(own_texts(400)[i : i + 4]) for i in range(0, 400, 4)]
        config = TrainingConfig(steps=steps, batch_size=4 if small else 16, max_length=64, lora_rank=16)
        training = AdapterTraining(base, MNTP(), texts, config)
        times = [event.seconds for event in training.run()]
        tokens = config.batch_size * config.max_length
        # The first step pays for what is made once.
        yield row(
            "Training, MNTP",
            preset.label,
            f"{tokens * (steps - 1) / (times[-1] - times[0]):,.0f} tokens/s",
            f"{psutil.Process().memory_info().rss / 1e9:.2f} GB in all",
        )


PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "encode": encode,
    "page": page,
    "umap": umap,
    "index": index,
    "train": train,
}


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options: Any = parser.parse_args()
    torch.set_num_threads(options.threads)
    for found in PARTS[options.part](options.small):
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
