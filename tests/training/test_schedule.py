from __future__ import annotations

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.training.schedule import BatchSchedule


def test_each_epoch_sees_each_example_once_in_a_new_order():
    schedule = BatchSchedule(12, 3, seed=5)
    epochs = [[i for batch in range(4) for i in schedule[4 * epoch + batch]] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_depends_on_seed_and_number_alone():
    forwards = [BatchSchedule(11, 3, seed=1)[i] for i in range(9)]
    schedule = BatchSchedule(11, 3, seed=1)
    assert [schedule[i] for i in reversed(range(9))][::-1] == forwards
    assert [BatchSchedule(11, 3, seed=2)[i] for i in range(9)] != forwards


def test_the_ranks_batches_make_the_joint_batch():
    joint, parts = BatchSchedule(24, 8, seed=3), BatchSchedule(24, 4, ranks=2, seed=3)
    for step in range(6):
        assert parts[2 * step] + parts[2 * step + 1] == joint[step]


def test_batches_of_one_task():
    tasks = ["a"] * 10 + ["b"] * 5 + ["c"]
    schedule = BatchSchedule(16, 2, ranks=2, groups=tasks)
    seen = []
    for step in range(3):  # two joint batches of a, one of b; c fills none
        batch = schedule[2 * step] + schedule[2 * step + 1]
        assert len({tasks[i] for i in batch}) == 1
        seen.append(tasks[batch[0]])
    assert sorted(seen) == ["a", "a", "b"]


def test_too_few_examples():
    with pytest.raises(InputError, match="no batch of 4 examples can be filled from 3"):
        BatchSchedule(3, 4)
    with pytest.raises(InputError, match="of one task"):
        BatchSchedule(4, 2, groups=["a", "b", "c", "d"])
