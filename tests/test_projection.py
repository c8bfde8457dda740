from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist, pdist
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score
from tqdm import tqdm

from llm2vec_core.errors import InputError
from llm2vec_core.projection import (
    align,
    disparity,
    exact_neighbors,
    hdbscan_clusters,
    kmeans_clusters,
    label_silhouette,
    leveled,
    map_quality,
    matched_clusters,
    neighbor_label_accuracy,
    neighbor_overlap,
    neighbor_ranks,
    neighborhood_trust,
    neighborhoods,
    pca_2d,
    pca_layout,
    umap_2d,
    umap_layout,
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


def test_what_numba_compiles_for_umap_is_stored(clusters):
    import umap

    umap_2d(clusters[0])
    for function in (umap.umap_.smooth_knn_dist, umap.umap_.compute_membership_strengths):
        assert function.stats.cache_hits or function.stats.cache_misses


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


@pytest.mark.parametrize("dimensions", [2, 3])
def test_alignment_is_scipys_procrustes(dimensions):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 40, dimensions))
    theirs_a, theirs_b, theirs = procrustes(a, b)
    ours = align(a, b)
    assert disparity(a, ours) == pytest.approx(theirs, abs=1e-12)
    spread = np.linalg.norm(a - a.mean(axis=0))
    np.testing.assert_allclose((ours - a.mean(axis=0)) / spread, theirs_b, atol=1e-10)
    np.testing.assert_allclose((a - a.mean(axis=0)) / spread, theirs_a, atol=1e-10)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_leveled_map_lies_along_its_longest_axis_and_keeps_its_distances(dimensions):
    rng = np.random.default_rng(6)
    points = rng.normal(size=(50, dimensions)) * np.array([5.0, 2.0, 1.0])[:dimensions]
    turn = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
    level = leveled(points @ turn + 7.0)
    np.testing.assert_allclose(pdist(level), pdist(points))
    covariance = np.cov(level.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-9)
    assert (np.diff(np.diag(covariance)) < 0).all()
    # The same however it was turned before, but for mirrors.
    np.testing.assert_allclose(np.abs(level), np.abs(leveled(points)), atol=1e-9)
    assert not leveled(np.ones((5, dimensions))).any()


def test_pca_in_space_holds_what_sklearn_says(clusters):
    embeddings, _ = clusters
    layout = pca_layout(embeddings, 3, metric="euclidean")
    theirs = PCA(3, svd_solver="full").fit(embeddings)
    np.testing.assert_allclose(layout.explained, theirs.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(layout.points), np.abs(theirs.transform(embeddings)), atol=1e-5)
    one_direction = pca_layout(np.outer(np.arange(6.0), np.ones(1)), 3, metric="euclidean")
    assert one_direction.explained.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_equal_rows_lie_in_one_place(dimensions):
    same = np.ones((7, 4))
    assert not pca_layout(same, dimensions).points.any()
    assert not umap_layout(same, dimensions).any()
    assert neighborhood_trust(same, np.zeros((7, dimensions))) is None
    assert label_silhouette(same, np.array([0, 1] * 3 + [0])) is None
    assert kmeans_clusters(same, 3).tolist() == hdbscan_clusters(same).tolist() == [0] * 7


def test_few_points_many_neighbours_and_duplicates():
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.normal(size=(3, 6)), 2, axis=0)
    for dimensions in (2, 3):
        assert np.isfinite(umap_layout(rows, dimensions, n_neighbors=50)).all()
    assert np.isfinite(umap_layout(rng.normal(size=(5, 6)), 3)).all()
    assert kmeans_clusters(rows, 6).max() == 2  # three places, three clusters


def test_umap_tells_how_far_it_is_and_can_be_stopped(clusters):
    embeddings, _ = clusters
    told = []
    points = umap_layout(embeddings, seed=4, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (500, 500)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    np.testing.assert_array_equal(points, umap_layout(embeddings, seed=4))

    def enough(done, total):
        if done >= 100:
            raise KeyError("enough")

    # In another thread, as the page does it: whatever lock the work held must be open again afterwards.
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyError, match="enough"):
        pool.submit(umap_layout, embeddings, progress=enough).result(timeout=120)
    assert list(tqdm(range(3), disable=False, file=io.StringIO())) == [0, 1, 2]
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(points, pool.submit(umap_layout, embeddings, seed=4).result(timeout=120))


def test_umap_settings_matter_and_are_checked(clusters):
    embeddings, _ = clusters
    usual = umap_layout(embeddings)
    for other in ({"seed": 1}, {"min_dist": 0.9}, {"n_neighbors": 3}, {"metric": "euclidean"}):
        assert not np.allclose(usual, umap_layout(embeddings, **other), atol=1e-3), other
    for wrong, told in (
        ({"n_neighbors": 1}, "n_neighbors is 1"),
        ({"min_dist": 2}, "min_dist is 2"),
        ({"metric": "x"}, "metric 'x'"),
    ):
        with pytest.raises(InputError, match=told):
            umap_layout(embeddings, **wrong)
    with pytest.raises(InputError, match="NaN"):
        umap_layout(np.full((6, 3), np.nan))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_quality_is_sklearns(clusters, metric):
    embeddings, labels = clusters
    noisy = embeddings + np.random.default_rng(0).normal(size=embeddings.shape)
    points = pca_layout(noisy, metric=metric).points
    assert label_silhouette(noisy, labels, metric=metric) == pytest.approx(
        silhouette_score(noisy, labels, metric=metric)
    )
    assert neighborhood_trust(noisy, points, metric=metric) == pytest.approx(
        trustworthiness(noisy, points, n_neighbors=10, metric=metric)
    )


def test_quality_leaves_out_what_has_no_label(clusters):
    embeddings, labels = clusters
    known = np.arange(60) % 2 == 0
    silly = np.where(known, labels, 99)
    assert neighbor_label_accuracy(embeddings, silly, known=known) == 1.0
    assert label_silhouette(embeddings, silly, known=known) == pytest.approx(
        silhouette_score(embeddings[known], labels[known], metric="cosine")
    )
    assert label_silhouette(embeddings, np.zeros(60)) is None  # one label: not defined
    assert label_silhouette(embeddings, np.arange(60)) is None  # one label a point


def test_overlap_and_ranks_by_hand():
    a = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])
    b = np.array([[0.0], [14.0], [3.0], [7.0], [15.0]])
    # two nearest in a: 0:{1,2} 1:{0,2} 2:{1,0} 3:{2,1} 4:{3,2}; in b: 0:{2,3} 1:{4,3} 2:{0,3} 3:{2,0 or 1} 4:{1,3}
    overlap = neighbor_overlap(a, b, 2, metric="euclidean")
    assert overlap[[0, 1, 2, 4]].tolist() == [0.5, 0.0, 0.5, 0.5]
    neighbors, _ = exact_neighbors(a, 2)
    ranks = neighbor_ranks(b, neighbors, metric="euclidean")
    distances = cdist(b, b) + np.diag([np.inf] * 5)
    loop = [[1 + sum(d < distances[i, j] for d in distances[i]) for j in row] for i, row in enumerate(neighbors)]
    assert ranks.tolist() == loop


def test_ranks_over_several_parts_against_a_loop():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(600, 5)), rng.normal(size=(600, 7))
    neighbors, _ = exact_neighbors(a, 3)
    distances = cdist(b, b, "cosine")
    np.fill_diagonal(distances, np.inf)
    expected = (np.argsort(np.argsort(distances, axis=1), axis=1) + 1)[np.arange(600)[:, None], neighbors]
    np.testing.assert_array_equal(neighbor_ranks(b, neighbors), expected)


def test_clusters_are_found_numbered_by_size_and_matched(clusters):
    embeddings, labels = clusters
    uneven = np.concatenate([embeddings, embeddings[labels == 2] + 0.01])
    truth = np.concatenate([labels, [2] * 20])
    for found in (kmeans_clusters(uneven, 3), hdbscan_clusters(uneven)):
        assert {tuple(set(truth[found == number].tolist())) for number in range(3)} == {(0,), (1,), (2,)}
        assert set(truth[found == 0].tolist()) == {2}
    with pytest.raises(InputError, match="from 2 to the number of texts, 60"):
        kmeans_clusters(embeddings, 61)
    mixed = np.array([2, 0, 1])[labels]
    np.testing.assert_array_equal(matched_clusters(labels, mixed), labels)
    assert matched_clusters(np.array([0, 0, 0, 0]), np.array([1, 0, 0, 2])).tolist() == [1, 0, 0, 2]
    assert matched_clusters(np.array([-1, -1]), np.array([0, 1])).tolist() == [0, 1]


def test_a_points_neighbours_in_two_embeddings_and_their_ranks_in_the_other():
    a, b = (np.random.default_rng(seed).normal(size=(20, 6)) for seed in (7, 8))
    a[3] = a[4]  # of equal points each is its own first neighbour
    found = neighborhoods(a, b, 4, count=5)
    orders = [
        np.argsort(cdist(rows, rows, "cosine")[4] - (np.arange(20) == 4), kind="stable").tolist() for rows in (a, b)
    ]
    for here, side in enumerate(found.sides):
        assert [each.row for each in side] == orders[here][1:6]
        assert [each.other_rank for each in side] == [orders[1 - here].index(each.row) for each in side]
        expected = [
            1 - cdist((a, b)[here][4:5], (a, b)[here][each.row : each.row + 1], "cosine")[0, 0] for each in side
        ]
        assert [each.cosine for each in side] == pytest.approx(expected)
    assert found.shared == set(orders[0][1:6]) & set(orders[1][1:6])
    assert len(neighborhoods(a, b, 0, count=99).sides[0]) == 19


def test_quality_of_a_map_is_what_its_labels_and_groups_allow(clusters):
    embeddings, numbers = clusters
    points, labels = embeddings[:, :2], ["", *map(str, numbers[1:])]
    known = np.array(labels) != ""
    plain = map_quality(embeddings, points)
    assert plain.trust == neighborhood_trust(embeddings, points)
    assert (plain.silhouette, plain.accuracy, plain.accuracy_picture) == (None, None, None)
    full = map_quality(embeddings, points, labels)
    assert full.silhouette == label_silhouette(embeddings, np.array(labels), known=known)
    assert full.silhouette_picture == label_silhouette(points, np.array(labels), metric="euclidean", known=known)
    assert full.accuracy == neighbor_label_accuracy(embeddings, np.array(labels), known=known)
    halves = ["x", "y"] * 30
    grouped = map_quality(embeddings, points, labels, halves)
    assert grouped.silhouette == label_silhouette(embeddings, np.array(halves)) != full.silhouette
    assert grouped.accuracy == full.accuracy
    assert map_quality(embeddings, points, ["one"] * 60).accuracy is None
    assert map_quality(embeddings, np.zeros((60, 2)), labels).silhouette_picture is None
