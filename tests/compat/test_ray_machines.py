"""Ray's cluster of two nodes, each a raylet of its own, as on two machines; one of them is lost. Run by ``make compat``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from llm2vec_core.corpus.encoding import CorpusEncoding, parts_folder
from llm2vec_core.corpus.outputs import load_embeddings
from llm2vec_core.corpus.ray_engine import RayEngine

ROOT = Path(__file__).parents[2]
TEXTS = [f"text number {i}" for i in range(40)]
LOST_SECONDS = 120.0


def vectors(texts) -> np.ndarray:
    return np.array([[len(text), sum(map(ord, text)), 0.5] for text in texts], dtype=np.float32)


class Signing:
    """An encoder that leaves the name of its node, and that comes to no end on the node of the file "doomed"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self):
        node = ray.get_runtime_context().get_node_id()

        def encode(texts, progress):
            (self.folder / node).touch()
            doomed = self.folder / "doomed"
            if len(texts) > 1 and doomed.exists() and doomed.read_text() == node:
                (self.folder / "reached").touch()
                time.sleep(LOST_SECONDS)
            # The other node is to have its turn.
            time.sleep(0.2)
            return vectors(texts)

        return encode


@pytest.fixture
def nodes(monkeypatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def job(out: Path) -> CorpusEncoding:
    return CorpusEncoding(out, {"model": "lengths"}, chunk_rows=4)


@pytest.mark.process
def test_both_nodes_encode_and_the_whole_is_what_one_process_gives(nodes, tmp_path):
    out, signed = tmp_path / "v.lance", tmp_path / "signed"
    signed.mkdir()
    assert job(out).run_with(RayEngine(Signing(signed)), TEXTS).rows == 40
    assert {path.name for path in signed.iterdir()} == {node["NodeID"] for node in ray.nodes()}
    embeddings, texts = load_embeddings(out)
    assert texts == TEXTS
    np.testing.assert_array_equal(embeddings, vectors(TEXTS))


@pytest.mark.process
def test_a_node_that_is_lost_in_the_middle_of_a_part_costs_that_part_alone(nodes, tmp_path):
    out, signed = tmp_path / "v.parquet", tmp_path / "signed"
    signed.mkdir()
    [lost] = nodes.worker_nodes
    (signed / "doomed").write_text(lost.node_id)

    def lose() -> None:
        deadline = time.monotonic() + LOST_SECONDS
        while not (signed / "reached").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        nodes.remove_node(lost, allow_graceful=False)

    watching = threading.Thread(target=lose)
    watching.start()
    report = job(out).run_with(RayEngine(Signing(signed)), TEXTS)
    watching.join()
    assert (signed / "reached").exists()
    assert report.rows == 40
    embeddings, texts = load_embeddings(out)
    assert texts == TEXTS
    np.testing.assert_array_equal(embeddings, vectors(TEXTS))
    assert not parts_folder(out).exists()
