"""The page as on a ZeroGPU Space, run by ``test_zero_gpu.py`` in a process of its own, which stays patched.

``spaces`` itself patches torch and gradio, schedules, forks its workers and brings results back by its own queues. Two
things of the platform are stood in for: the address where GPUs are asked for, and CUDA, whose place the processor takes.
"""

from __future__ import annotations

import base64
import http.server
import json
import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import gradio as gr
import numpy as np
import psutil
import pytest
import torch
from gradio_client import Client

from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import find_device
from llm2vec_core.errors import DivergenceError, GpuError, InputError
from llm2vec_core.threads import iterate_in_thread
from llm2vec_core.ui import zero_gpu
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.export.model import Made, Order, embed
from llm2vec_core.ui.tabs.map.space import space_of
from llm2vec_core.ui.tabs.search import model as search
from llm2vec_core.ui.tabs.train import model as train
from llm2vec_core.ui.turns import Turns
from llm2vec_core.ui.user_texts import Texts

TEXTS = tuple(passage.text for passage in passages()[:48])
OWN = Texts("mine.csv", TEXTS)
# None of the page's limits: here everything is worth a GPU, or nothing is.
ALWAYS, NEVER = 0.0, float("inf")
TOKEN = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, {}, {}))


class Platform(http.server.BaseHTTPRequestHandler):
    """Where ``spaces`` asks for GPUs: one that is free, or none because a quota is used up."""

    asked: ClassVar[list[tuple[str, dict[str, list[str]]]]] = []
    quota_left: int | None = None

    def do_POST(self):
        parts = urlsplit(self.path)
        self.asked.append((parts.path, parse_qs(parts.query)))
        answer, status = None, 200
        if parts.path == "/schedule":
            answer = {"idle": True, "nvidiaIndex": 0, "nvidiaUUID": "MIG-0", "allowToken": "allowed"}
            if self.quota_left is not None:
                answer, status = {"left": self.quota_left, "wait": 7200}, 429
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def asked():
    """What is asked of the platform meanwhile."""
    found, before = [], len(Platform.asked)
    yield found
    found += Platform.asked[before:]


@pytest.fixture(scope="module", autouse=True)
def zero_gpu_space():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Platform) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["SPACES_ZERO_DEVICE_API_URL"] = f"http://127.0.0.1:{server.server_port}"
        # What the package finds in a torch that was built for CUDA: its version, its beginning, and no forked process.
        torch.version.cuda, torch._C._cuda_init, torch.cuda._is_in_bad_fork = "12.8", None, bool
        # What the package does to torch holds in part for the thread that imports it: handlers run in others.
        main = threading.Thread(target=zero_gpu.prepare)
        main.start()
        main.join()
        import spaces

        spaces.zero.torch.init = spaces.zero.torch.move = lambda *_, **__: None
        zero_gpu.DEVICE = "cpu"
        yield spaces.zero
        server.shutdown()


@pytest.fixture(scope="module")
def context(zero_gpu_space):
    return AppContext()


@pytest.fixture(autouse=True)
def nothing_stays(zero_gpu_space):
    """No worker outlives its call, and the package remembers no function of one."""
    zero_gpu.WORTH_SECONDS = ALWAYS
    known = set(zero_gpu_space.decorator.decorated_cache)
    yield
    assert all(map(ended, multiprocessing.active_children()))
    assert set(zero_gpu_space.decorator.decorated_cache) == known


def ended(process) -> bool:
    """Whether a process ends; by its number, for another thread may have seen its end first, and this one then sees none."""
    process.join(30)
    return not psutil.pid_exists(process.pid)


def here_and_there(work):
    """The same in this process and on a lent GPU, which is asked for once."""
    zero_gpu.WORTH_SECONDS = NEVER
    with asked() as calls:
        here = work()
    assert calls == []
    zero_gpu.WORTH_SECONDS = ALWAYS
    with asked() as calls:
        there = work()
    assert [path for path, _ in calls] == ["/schedule", "/allow", "/release"]
    assert calls[0][1]["durationSeconds"] == ["20"] and calls[2][1]["fail"] == ["false"]
    assert int(calls[1][1]["pid"][0]) != os.getpid()
    return here, there


def test_a_space_that_is_launched_reports_to_the_platform_once_and_computes_on_its_processor():
    with asked() as calls, gr.Blocks() as page:
        gr.HTML("")
    with asked() as calls:
        page.launch(prevent_thread_lock=True, quiet=True)
        page.close()
    assert [path for path, _ in calls] == ["/startup-report"]
    assert torch.cuda.is_available() and find_device(None) == torch.device("cpu")


def test_own_texts_are_indexed_there_as_here(context):
    def index():
        session = Session()
        encoders = [session.handle(key, context) for key in ("mntp", "static")]
        told = list(search.make_indexes(context, OWN, encoders))
        return [(step.label, step.done, step.total) for step in told], [
            session.cache.peek(search.index_key(OWN, encoder)).vectors(range(len(TEXTS))) for encoder in encoders
        ]

    (told, here), (told_there, there) = here_and_there(index)
    assert told_there == told and len(told) == 2
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)


def test_few_texts_are_indexed_with_the_question_there_as_here(context):
    here, there = here_and_there(
        lambda: search.index_of(context, OWN, Session().handle("mntp", context)).vectors(range(len(TEXTS)))
    )
    np.testing.assert_array_equal(here, there)


def test_a_map_is_encoded_there_as_here_and_tells_how_far_it_is(context):
    def encode():
        told = []
        vectors = space_of(context, Session(), OWN, "mntp").embeddings(lambda done, total: told.append((done, total)))
        return told[-1], vectors

    (told, here), (told_there, there) = here_and_there(encode)
    assert told == told_there == (48, 48)
    np.testing.assert_allclose(there, here, atol=1e-5 * np.abs(here).max(), rtol=0)


def test_a_file_of_embeddings_is_made_there_as_here(context):
    def export():
        *told, made = embed(context, Session(), OWN, Order("mntp", "last_token", kind="npy"))
        assert isinstance(made, Made)
        return told, np.load(made.path)

    (told, here), (told_there, there) = here_and_there(export)
    assert told == told_there == [0, 32, 48]
    np.testing.assert_array_equal(here, there)


def test_fewer_bits_are_a_matter_of_the_processor(context):
    with asked() as calls:
        list(embed(context, Session(), OWN, Order("mntp", precision="bfloat16")))
    assert calls == []


FIELDS = {"source": "ours", "start": "bidirectional", "rate": 0.001, "rank": 4, "batch": 4, "longest": 16, "seed": 0}


def trained(context, objective="mntp", steps=4, session=None):
    session, queue = session or Session(), Turns("another visitor is training", "Yours follows.", 180)
    train.ask(queue, session)
    return session, train.run(queue, context, session, "ours", None, objective=objective, steps=steps, **FIELDS)


def test_an_adapter_learns_there_what_it_learns_here(context):
    before = context.encoder("bidirectional").encode(list(TEXTS[:4]))

    def learn():
        session, run = trained(context, "simcse")
        last = list(run)[-1]
        return last.status.split(" s. ")[1], last.result, session.description, session.encoder.encode(list(TEXTS[:4]))

    (*shown, here), (*shown_there, there) = here_and_there(learn)
    assert shown == shown_there and shown[2].endswith("4 steps from Bidirectional, untrained")
    np.testing.assert_array_equal(here, there)
    # Neither left anything on the stage that everybody uses.
    np.testing.assert_array_equal(context.encoder("bidirectional").encode(list(TEXTS[:4])), before)
    assert np.abs(here - before).max() > 1e-3 * np.abs(before).max()


def test_a_run_that_is_stopped_keeps_the_adapter_of_its_last_step(context):
    session, run = trained(context, steps=400)
    shown = [next(run) for _ in range(3)]
    train.stop(session)
    shown += list(run)
    assert "(you stopped it)" in shown[-1].status and "of 400" in shown[-1].status
    assert session.description.startswith("MNTP, ") and shown[-1].changed
    assert np.isfinite(session.encoder.encode(list(TEXTS[:2]))).all()


def test_a_run_ends_by_itself_before_the_loan_does(context, monkeypatch):
    monkeypatch.setattr("llm2vec_core.ui.tabs.train.run.START_SECONDS", 40)  # of a loan of 20
    _, run = trained(context, steps=50)
    assert "after step 1 of 50 (the limit is 0 s)" in list(run)[-1].status


def test_a_run_that_diverges_keeps_the_last_good_step_and_says_so(context, monkeypatch):
    from llm2vec_core.training.loop import AdapterTraining

    plain = AdapterTraining.loss
    monkeypatch.setattr(
        AdapterTraining,
        "loss",
        lambda self, rows, number: plain(self, rows, number) * (float("nan") if number == 3 else 1),
    )
    session, run = trained(context, steps=9)
    shown = []
    with pytest.raises(DivergenceError, match="lower learning_rate"):
        shown.extend(run)
    assert "after step 2 of 9 (the loss diverged)" in shown[-1].status
    assert np.isfinite(session.encoder.encode(list(TEXTS[:2]))).all()


def test_leaving_an_index_ends_its_worker_and_keeps_nothing_half_made(context):
    session = Session()
    encoders = [session.handle("mntp", context)]
    many = Texts("mine.csv", tuple(f"{text} {i}" for i in range(20) for text in TEXTS))
    steps = search.make_indexes(context, many, encoders)
    assert next(steps).total == len(many)
    [worker] = multiprocessing.active_children()
    steps.close()
    assert ended(worker)
    assert search.missing(many, encoders) == encoders


def failing(how):
    def steps():
        yield "first"
        how()

    return list(zero_gpu.on_lent_gpu(steps, [], 20))


def test_our_own_errors_come_back_as_they_are():
    def wrong():
        raise InputError("There is no text.")

    with pytest.raises(InputError, match="There is no text"):
        failing(wrong)


def test_a_worker_that_fails_is_told_and_leaves_the_earlier_adapter(context):
    def breaks():
        raise ZeroDivisionError("in our code")

    with pytest.raises(GpuError, match=r"lent GPU: ZeroDivisionError\. What you had is unchanged"):
        failing(breaks)
    with pytest.raises(GpuError, match=r"lent GPU: GPU task aborted\. What you had"):
        failing(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_used_up_quota_is_told_and_loses_nothing(context, monkeypatch):
    session, run = trained(context, steps=2)
    list(run)
    mine, description = session.encoder, session.description
    monkeypatch.setattr(Platform, "quota_left", 5)
    _, run = trained(context, steps=3, session=session)
    shown = []
    with pytest.raises(GpuError, match=r"lent GPU: Space app has reached its GPU limit.*fewer texts or steps"):
        shown.extend(run)
    assert session.encoder is mine and session.description == description
    assert "Done. Step 2 of 2" in shown[-1].status
    # A little is computed without asking.
    zero_gpu.WORTH_SECONDS = 20
    assert zero_gpu.loan_seconds([mine], TEXTS) == 0


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_the_gpu_is_asked_for_in_the_name_of_the_visitor(in_a_thread):
    """Whose quota it is stands in the request, also for the map, which encodes in a thread of its own."""

    def steps():
        yield from "ab"

    def work(emit):
        for letter in zero_gpu.on_lent_gpu(steps, [], 20):
            emit(letter)

    def handler():
        yield from iterate_in_thread(work) if in_a_thread else zero_gpu.on_lent_gpu(steps, [], 20)

    with gr.Blocks() as page:
        gr.Button().click(handler, None, gr.Textbox(), api_name="letters")
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
    with asked() as calls:
        client = Client(address, headers={"X-IP-Token": TOKEN}, verbose=False)
        job = client.submit(api_name="/letters")
        job.result(timeout=60)
        assert job.outputs() == ["a", "b"]
    page.close()
    assert calls[0][0] == "/schedule" and calls[0][1]["token"] == [TOKEN]


def test_what_is_borrowed_grows_with_the_work_and_ends(context):
    zero_gpu.WORTH_SECONDS = 20
    encoder = context.encoder("causal")
    weights = zero_gpu.parameters(encoder)
    cpu_seconds = 2 * weights * 1_000_000 / 1e11
    assert zero_gpu.loan_seconds([encoder], ["word" * 100] * 10_000) == 20 + int(cpu_seconds / 20)
    assert zero_gpu.loan_seconds([encoder] * 1000, ["word" * 100] * 10_000) == 120
    assert zero_gpu.loan_seconds([context.encoder("static")], ["word" * 100] * 10_000) == 0


def test_what_steps_change_is_gone_with_their_worker():
    kept = {}

    def steps():
        kept["there"] = True
        yield len(kept)

    assert list(zero_gpu.on_lent_gpu(steps, [], 20)) == [1] and kept == {}
