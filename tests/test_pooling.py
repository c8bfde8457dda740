"""Closed forms: the states are 0, 1, 2, ... so that each mode's result can be read off."""

from __future__ import annotations

import pytest
import torch

from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES, pool

STATES = torch.arange(6, dtype=torch.float32).reshape(1, 6, 1)
MIDDLE = torch.tensor([[0, 1, 1, 1, 0, 0]])  # tokens 1, 2, 3

EXPECTED = {
    "mean": (1 + 2 + 3) / 3,
    "weighted_mean": (1 * 1 + 2 * 2 + 3 * 3) / 6,
    "last_token": 3.0,
    "first_token": 1.0,
}


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_closed_form(mode):
    assert pool(STATES, MIDDLE, mode).item() == pytest.approx(EXPECTED[mode])


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_padding_side_does_not_matter(mode):
    torch.manual_seed(0)
    own, pad = torch.randn(1, 4, 8), torch.randn(1, 3, 8)
    ones, zeros = torch.ones(1, 4, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long)
    alone = pool(own, ones, mode)
    torch.testing.assert_close(pool(torch.cat([own, pad], 1), torch.cat([ones, zeros], 1), mode), alone)
    torch.testing.assert_close(pool(torch.cat([pad, own], 1), torch.cat([zeros, ones], 1), mode), alone)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_rows_do_not_mix(mode):
    torch.manual_seed(0)
    states = torch.randn(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 1, 1]])
    together = pool(states, mask, mode)
    for row in range(3):
        torch.testing.assert_close(together[row], pool(states[row : row + 1], mask[row : row + 1], mode)[0])


def test_bool_masks_are_welcome():
    assert pool(STATES, MIDDLE.bool(), "mean").item() == pytest.approx(2.0)


def test_unknown_mode_names_the_known_ones():
    with pytest.raises(InputError, match=r"'max'.*weighted_mean"):
        pool(STATES, MIDDLE, "max")


def test_an_empty_row_is_refused():
    with pytest.raises(InputError, match="row 0 of pooling_mask marks no token"):
        pool(STATES, torch.zeros(1, 6), "mean")


def test_shapes_must_belong_together():
    with pytest.raises(InputError, match="first two numbers"):
        pool(STATES, torch.ones(1, 5), "mean")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["mean", "weighted_mean"])
def test_long_texts_in_half_precision_stay_finite_and_exact(mode, dtype):
    # The weighted sum is 300 * 512 * 513 / 2, far above float16's largest number.
    states = torch.full((1, 512, 4), 300.0, dtype=dtype)
    found = pool(states, torch.ones(1, 512, dtype=torch.long), mode)
    assert found.dtype == torch.float32
    assert torch.equal(found, states[:, 0].float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_mean_of_half_precision_states_keeps_its_digits(dtype):
    # 255 ones and a two: neither dtype has a number for 1 + 1/256 and 1 + 1/256/129 both.
    states = torch.ones(1, 256, 1, dtype=dtype)
    states[0, -1] = 2.0
    mask = torch.ones(1, 256, dtype=torch.long)
    assert pool(states, mask, "mean").item() == pytest.approx(1 + 1 / 256, rel=1e-7)
    assert pool(states, mask, "weighted_mean").item() == pytest.approx(1 + 256 / (256 * 257 / 2), rel=1e-7)
