from __future__ import annotations

import math

import pytest
import torch

from llm2vec_core.training.losses import contrastive_loss


def test_equal_vectors_tell_nothing():
    ones = torch.ones(4, 3)
    assert contrastive_loss(ones, ones).item() == pytest.approx(math.log(4))
    assert contrastive_loss(ones, ones, torch.ones(6, 3)).item() == pytest.approx(math.log(10))


def test_closed_form_with_orthogonal_vectors():
    eye = torch.eye(3)
    expected = -math.log(math.exp(20) / (math.exp(20) + 2))
    assert contrastive_loss(eye, eye, scale=20.0).item() == pytest.approx(expected, abs=1e-6)


def test_a_hard_negative_equal_to_the_positive_costs_log_two():
    eye = torch.eye(2)
    assert contrastive_loss(eye[:1], eye[:1], eye[:1]).item() == pytest.approx(math.log(2))


def test_lengths_do_not_matter():
    torch.manual_seed(0)
    q, p = torch.randn(5, 4), torch.randn(5, 4)
    torch.testing.assert_close(contrastive_loss(q, p), contrastive_loss(7 * q, 0.1 * p))


def test_order_matters():
    eye = torch.eye(3)
    assert contrastive_loss(eye, eye.roll(1, 0)) > contrastive_loss(eye, eye)


def test_a_ranks_queries_look_among_all_ranks_candidates():
    torch.manual_seed(0)
    q, p, n = torch.randn(6, 4), torch.randn(6, 4), torch.randn(6, 4)
    parts = [contrastive_loss(q[i : i + 3], p, n, first_target=i) for i in (0, 3)]
    torch.testing.assert_close(sum(parts) / 2, contrastive_loss(q, p, n))


def test_what_is_left_out_counts_nothing():
    torch.manual_seed(0)
    q, p, n = torch.randn(3, 4), torch.randn(3, 4), torch.randn(2, 4)
    left_out = torch.zeros(3, 5, dtype=torch.bool)
    left_out[:, 3:] = True
    torch.testing.assert_close(contrastive_loss(q, p, n, left_out=left_out), contrastive_loss(q, p))
