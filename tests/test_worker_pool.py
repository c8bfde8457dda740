"""Processes that encode side by side: the same vectors, one error where one dies, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from llm2vec_core import LLM2Vec
from llm2vec_core.cli import main
from llm2vec_core.encoder import weights_version
from llm2vec_core.errors import InputError, WorkerError
from llm2vec_core.worker_pool import WorkerPool
from tests.close import assert_close

pytestmark = pytest.mark.process
TEXTS = [f"The river rose {'very ' * (i % 7)}high in year {i}." for i in range(90)] + [""]


@pytest.fixture(scope="module")
def pool(encoder):
    with encoder.start_pool(["cpu", "cpu"]) as pool:
        yield pool


@pytest.fixture(scope="module")
def encoder() -> LLM2Vec:
    return LLM2Vec.from_preset("mini:mntp")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"instruction": "Find the year:"},
        {"pooling_mode": "last_token", "normalize": True},
        {"batch_size": 3},
    ],
    ids=str,
)
def test_the_vectors_are_those_of_one_process(encoder, pool, options):
    done = []
    got = encoder.encode(TEXTS, pool=pool, progress=lambda *told: done.append(told), **options)
    assert_close(got, encoder.encode(TEXTS, **options))
    assert [total for _, total in done] == [len(TEXTS)] * len(done) and done[-1][0] == len(TEXTS) and len(done) > 2


def test_a_pool_reads_as_the_encoder_that_asks(encoder, pool):
    for other in (encoder.view(bidirectional=False), encoder.with_settings(template="echo", max_length=40)):
        assert_close(other.encode(TEXTS, pool=pool), other.encode(TEXTS))
    assert encoder.encode("one text", pool=pool).shape == (encoder.hidden_size,)
    with pytest.raises(InputError, match="encoder with other weights"):
        LLM2Vec.from_preset("mini").encode(TEXTS, pool=pool)
    norm = encoder.causal_model.norm.weight
    with torch.no_grad():
        norm.mul_(2)
    with pytest.raises(InputError, match="or before these were trained"):
        encoder.encode(TEXTS, pool=pool)
    with torch.no_grad():
        norm.div_(2)
    pool._version = weights_version(encoder.causal_model)  # the same numbers again


def test_what_goes_wrong_there_is_told_here_and_the_pool_goes_on(encoder, pool):
    with pytest.raises(InputError, match="max_tokens_per_batch"):
        encoder.encode(TEXTS, pool=pool, max_tokens_per_batch=-1)
    assert len(encoder.encode(TEXTS[:3], pool=pool)) == 3


@pytest.mark.parametrize(("devices", "message"), [([], "no device"), ("cpu", "no device"), (["cpu", "tpu7"], "tpu7")])
def test_devices_that_are_none(encoder, devices, message):
    with pytest.raises(InputError, match=message):
        WorkerPool(encoder, devices)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_owner_that_is_stopped_leaves_nothing_running(tmp_path, number):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS * 400))
    command = [sys.executable, "-m", "llm2vec_core", "encode", str(tmp_path / "texts.txt"), "--model", "mini:causal"]
    command += ["--devices", "cpu,cpu", "--chunk-rows", "64", "--out", str(tmp_path / "v.npy")]
    # A suite that runs in the background hands on that Ctrl-C is to be ignored.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    owner = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed)
    line = ""
    while "2 processes" not in line:
        line = owner.stderr.readline()
        assert line, "it ended before its processes were started"
    children = list(psutil.Process(owner.pid).children(recursive=True))
    assert len(children) >= 2
    os.killpg(owner.pid, number) if number == signal.SIGINT else owner.kill()
    told = owner.stderr.read()
    assert owner.wait(60) == (130 if number == signal.SIGINT else -signal.SIGKILL), told
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_script_without_its_guard_is_told_of_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        from llm2vec_core import LLM2Vec
        encoder = LLM2Vec.from_preset("mini:causal")
        encoder.start_pool(["cpu"])
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "needs `if __name__ == '__main__':`" in done.stderr


def test_the_command_line_writes_the_same_file(tmp_path, capsys, pool):
    def run(*arguments: str) -> tuple[int, str]:
        return main(list(arguments)), capsys.readouterr().err

    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    flags = ["encode", str(tmp_path / "texts.txt"), "--model", "mini:causal"]
    assert run(*flags, "--out", str(tmp_path / "one.npy"))[0] == 0
    code, talk = run(*flags, "--out", str(tmp_path / "two.npy"), "--devices", "cpu, cpu")
    assert code == 0 and "2 processes: cpu, cpu" in talk
    assert_close(np.load(tmp_path / "two.npy"), np.load(tmp_path / "one.npy"))
    ours = {worker.process.pid for worker in pool._workers}
    assert {child.pid for child in multiprocessing.active_children()} <= ours  # the other pool was left
    code, talk = run(*flags, "--out", str(tmp_path / "three.npy"), "--devices", ",")
    assert (code, "no device is named" in talk) == (2, True)


def test_a_process_that_dies_is_named_and_none_is_left(encoder, pool):
    """The last of the tests that share a pool."""
    processes, folder = [worker.process for worker in pool._workers], Path(pool._folder.name)
    os.kill(processes[1].pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"process 2 of 2 \(cpu\) was killed by SIGKILL.*The others were ended too"):
        encoder.encode(TEXTS * 2, pool=pool)
    assert not any(process.is_alive() for process in processes) and not folder.exists()
    with pytest.raises(WorkerError, match="killed by SIGKILL"):
        encoder.encode(TEXTS, pool=pool)
