"""Two processes on the CPU (gloo) against one with the joint batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from llm2vec_core.training.distributed import each_rank_alone, gather_with_gradients, rank, world_size
from tests.training.rank_worker import RUNS, STEPS, main

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, rank: int, port: int) -> subprocess.Popen:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "tests.training.rank_worker", str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [start(folder, rank, port) for rank in range(2)]
    try:
        main(folder)  # while they import, the joint batch here
        for process in processes:
            output, _ = process.communicate(timeout=180)
            assert process.returncode == 0, output[-3000:]
    finally:
        for process in processes:
            process.kill()
    return folder


def losses(folder: Path, ranks: int, rank: int) -> dict:
    return json.loads((folder / f"losses-{ranks}-{rank}.json").read_text())


@pytest.mark.parametrize("name", ["supervised", "cached", "simcse"])
def test_loss_and_gradient_are_those_of_the_joint_batch(results, name):
    joint, first, second = losses(results, 1, 0), losses(results, 2, 0), losses(results, 2, 1)
    assert len(joint[name]) == STEPS
    for step in range(STEPS):
        assert first[name][step][0] == pytest.approx(joint[name][step][0], rel=1e-4, abs=1e-6)
    assert first == second
    expected = {k: v for k, v in load_file(results / "gradients-1-0.safetensors").items() if k.startswith(f"{name}.")}
    assert max(float(g.abs().max()) for g in expected.values()) > 1e-4
    for part in range(2):
        found = load_file(results / f"gradients-2-{part}.safetensors")
        for key, gradient in expected.items():
            torch.testing.assert_close(found[key], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max() + 1e-3))


@pytest.mark.parametrize("name", RUNS)
def test_the_ranks_stay_together(results, name):
    """Whatever the noise: after each step both have the same weights, and both measured the same."""
    first, second = (load_file(results / f"{name}-2-{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    held_out = [[event[1] for event in losses(results, 2, rank)[name]] for rank in range(2)]
    assert held_out[0] == held_out[1] and None not in held_out[0]


def test_one_rank_writes_the_checkpoint(results):
    names = {path.name for path in (results / "supervised-2" / f"checkpoint-{STEPS}").iterdir()}
    assert {"adapter_model.safetensors", "training.json", "trainer_state.json", "rng_state_1.pth"} <= names
    settings = json.loads((results / "supervised-2" / f"checkpoint-{STEPS}" / "training.json").read_text())
    assert (settings["ranks"], settings["batch_size"]) == (2, 3)


def test_when_one_rank_stops_all_do(results):
    assert [losses(results, 2, rank)["stopped"] for rank in range(2)] == [2, 2]


def test_alone_nothing_is_gathered():
    rows = torch.ones(2, 3, requires_grad=True)
    assert (world_size(), rank()) == (1, 0)
    assert gather_with_gradients(rows) is rows
    with each_rank_alone():
        assert world_size() == 1
