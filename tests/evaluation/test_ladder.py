from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.baselines import BASELINES
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.ladder import CAUSAL_POOLINGS, markdown_table, measure_ladder, read_ladder_data
from llm2vec_core.evaluation.sts import STSSet, evaluate_sts
from llm2vec_core.presets import BUNDLED

DATA = STSSet(
    "small",
    ("A river flows to the sea.", "A dog sleeps.", "Rain fell.", "The bank lends money."),
    ("The stream runs into the ocean.", "Interest rates rose.", "It rained.", "A cat drinks milk."),
    np.array([4.0, 0.5, 5.0, 0.0]),
)


def test_every_stage_is_measured_and_the_causal_one_with_each_pooling():
    seen = []
    rows = measure_ladder(BUNDLED, [DATA], seen.append)
    assert rows == seen
    assert len(rows) == len(CAUSAL_POOLINGS) + len(BASELINES) + len(BUNDLED.stages) - 1
    encoder = LLM2Vec.from_pretrained(BUNDLED.base, bidirectional=False)
    expected = evaluate_sts(lambda t: encoder.encode(t, pooling_mode="last_token"), DATA)
    assert rows[2].scores == {"small": pytest.approx(expected)}
    echo = rows[len(CAUSAL_POOLINGS)]
    assert echo.label == "Causal, echo"
    assert echo.scores["small"] == pytest.approx(evaluate_sts(BASELINES["echo"](encoder).encode, DATA))
    table = markdown_table(rows).splitlines()
    assert len(table) == 2 + len(rows)
    assert table[2].startswith("| Causal, mean |")


def test_a_folder_without_data(tmp_path):
    with pytest.raises(InputError, match="no folder 'nowhere'"):
        read_ladder_data(tmp_path / "nowhere")
    with pytest.raises(InputError, match="STS12"):
        read_ladder_data(tmp_path)
