from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import STSSet, evaluate_sts
from llm2vec_core.experiments.sample_efficiency import learning_curve, mean_sts, run_experiment, starts_of
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import Supervised
from llm2vec_core.training.pairs import Pair

PAIRS = [Pair(f"What is number {i}?", f"It is the number after {i - 1}.") for i in range(16)]
SETS = [
    STSSet(
        "one", ("A cat.", "A dog.", "Rain falls."), ("A kitten.", "A tree.", "It rains."), np.array([4.0, 1.0, 5.0])
    ),
    STSSet("two", ("He ran.", "She sang."), ("He was running.", "Stars burn."), np.array([5.0, 0.0])),
]
CONFIG = TrainingConfig(steps=4, batch_size=4, max_length=16, learning_rate=1e-3, warmup_steps=0)


def run(starts, **options):
    return run_experiment(BUNDLED, starts, PAIRS, CONFIG, SETS, every=2, **options)


def test_the_starts_are_the_stages_without_supervision():
    starts = starts_of(BUNDLED)
    assert [start.stage.key for start in starts][:3] == ["causal", "bidirectional", "mntp"]
    assert not [start for start in starts if "supervised" in start.stage.key]
    assert [start.pooling_mode for start in starts][:2] == ["weighted_mean", "mean"]
    assert [start.direction for start in starts][:2] == ["causal", "bidirectional"]
    with pytest.raises(InputError, match="no stage 'gpt'; choose of causal"):
        starts_of(BUNDLED, ["gpt"])


def test_a_curve_is_what_the_same_training_gives_when_it_is_done_alone():
    start = starts_of(BUNDLED, ["causal"])[0]
    encoder = LLM2Vec.from_preset("mini:causal")
    curve = list(learning_curve(encoder, start, PAIRS, CONFIG, SETS, 2))
    assert [step for step, _ in curve] == [0, 2, 4]
    before = np.mean([evaluate_sts(lambda t: encoder.encode(t, pooling_mode="weighted_mean"), s) for s in SETS])
    assert curve[0][1] == pytest.approx(before, abs=1e-6)
    config = TrainingConfig(**{**vars(CONFIG), "bidirectional": False})
    alone = AdapterTraining(encoder, Supervised(pooling_mode="weighted_mean"), PAIRS, config)
    alone.fit()
    trained = alone.encoder()
    assert trained.prefix_test().is_causal
    assert curve[-1][1] == pytest.approx(mean_sts(trained, SETS), abs=1e-6)


def test_every_start_and_seed_is_trained_and_finished_ones_are_kept(tmp_path):
    file, said = tmp_path / "curve.json", []
    first = run(starts_of(BUNDLED, ["causal"]), seeds=[0], file=file, report=said.append)
    assert len(said) == 3
    both = run(starts_of(BUNDLED, ["causal", "bidirectional"]), seeds=[0, 1], file=file, report=said.append)
    assert len(said) == 3 + 3 * 3
    assert [row["key"] for row in both["starts"]] == ["causal", "bidirectional"]
    assert [row["seeds"] for row in both["starts"]] == [[0, 1], [0, 1]]
    assert both["starts"][0]["scores"][0] == first["starts"][0]["scores"][0]
    causal = both["starts"][0]["scores"]
    assert causal[0][0] == causal[1][0]  # nothing is trained at step 0
    assert json.loads(file.read_text()) == both
    run(starts_of(BUNDLED, ["causal", "bidirectional"]), seeds=[0, 1], file=file, report=said.append)
    assert len(said) == 12


def test_another_experiments_file_is_not_overwritten(tmp_path):
    file = tmp_path / "curve.json"
    run(starts_of(BUNDLED, ["causal"]), seeds=[0], file=file)
    kept = file.read_bytes()
    with pytest.raises(InputError, match="other settings"):
        run_experiment(BUNDLED, starts_of(BUNDLED, ["causal"]), PAIRS[:8], CONFIG, SETS, every=2, file=file)
    assert file.read_bytes() == kept
    shutil.copy(__file__, file)
    with pytest.raises(InputError, match="cannot be read"):
        run(starts_of(BUNDLED, ["causal"]), seeds=[0], file=file)
