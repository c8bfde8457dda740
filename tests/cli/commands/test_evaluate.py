from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from llm2vec_core.cli import main
from llm2vec_core.evaluation.ladder import STS_SETS


def test_the_ladder_goes_to_standard_output(tmp_path, capsys):
    pairs = {
        "sentence1": ["A river rose.", "A cat slept.", "He sold bread."],
        "sentence2": ["The stream swelled.", "Stars burn.", "He baked."],
        "score": [5.0, 0.0, 3.0],
    }
    for name in STS_SETS:
        pq.write_table(pa.table(pairs), tmp_path / f"{name}.parquet")
    assert main(["evaluate", "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("| encoder | STS12 |")
    assert "Causal, last token" in printed.out
    assert "Causal, last token: " in printed.err


def test_wrong_input(tmp_path, capsys):
    assert main(["evaluate", "--data", str(tmp_path / "nowhere")]) == 2
    assert main(["evaluate", "--data", str(tmp_path), "--preset", "huge"]) == 2
    first, second = capsys.readouterr().err.strip().splitlines()
    assert first.startswith("error: there is no folder 'nowhere'")
    assert second.startswith("error: unknown preset 'huge'")
