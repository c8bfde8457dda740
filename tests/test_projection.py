from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from llm2vec_core.errors import InputError
from llm2vec_core.projection import (
    align,
    exact_neighbors,
    neighbor_label_accuracy,
    neighbor_overlap,
    pca_2d,
    umap_2d,
)


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centers = np.eye(3, 16) * 5
    labels = np.repeat(np.arange(3), 20)
    return centers[labels] + rng.normal(size=(60, 16)) * 0.3, labels


def test_pca_keeps_the_plane_that_holds_everything():
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 2 * np.pi, 40)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1) @ np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    points = pca_2d(circle)
    pairwise = np.linalg.norm(circle[:, None] - circle[None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(points[:, None] - points[None], axis=-1), pairwise, atol=1e-5)


def test_umap_keeps_neighbours_and_repeats_itself(clusters):
    embeddings, labels = clusters
    points = umap_2d(embeddings, n_neighbors=10, seed=3)
    np.testing.assert_array_equal(points, umap_2d(embeddings, n_neighbors=10, seed=3))
    assert trustworthiness(embeddings, points, n_neighbors=5) > 0.8
    assert neighbor_label_accuracy(points - points.mean(0) + 100.0, labels) > 0.5


def test_umap_of_equal_points_does_not_fail():
    assert np.isfinite(umap_2d(np.ones((8, 4)) + np.eye(8, 4) * 1e-3)).all()


@pytest.mark.parametrize("layout", [pca_2d, umap_2d])
def test_too_few_points(layout):
    with pytest.raises(InputError, match="3 texts are too few"):
        layout(np.eye(3))


def test_align_undoes_any_turn_mirror_shift_and_scale():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(30, 2))
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])  # a mirror
    np.testing.assert_allclose(align(points, points @ turn * 7 - 3), points, atol=1e-9)


def test_exact_neighbors_against_a_loop():
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    indices, distances = exact_neighbors(points, 2)
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert distances[3].tolist() == [4.0, 6.0]


def test_each_point_is_its_own_first_neighbour_even_among_duplicates():
    indices, _ = exact_neighbors(np.zeros((6, 2)), 6, include_self=True)
    assert indices[:, 0].tolist() == list(range(6))
    assert all(sorted(row) == list(range(6)) for row in indices.tolist())


def test_label_accuracy(clusters):
    embeddings, labels = clusters
    assert neighbor_label_accuracy(embeddings, labels) == 1.0
    shuffled = np.random.default_rng(0).permutation(labels)
    assert neighbor_label_accuracy(embeddings, shuffled) < 0.7


def test_overlap_with_itself_is_whole_and_with_noise_is_small(clusters):
    embeddings, _ = clusters
    assert neighbor_overlap(embeddings, 3.0 * embeddings).tolist() == [1.0] * 60
    noise = np.random.default_rng(5).normal(size=(60, 16))
    assert neighbor_overlap(embeddings, noise).mean() < 0.4
