"""The notions of normal: what they find, and that they shrink and group as they say."""

from __future__ import annotations

import numpy as np

from inspector.teach.choose import FEATURES
from inspector.teach.context import fit_context
from inspector.teach.features import fit_whitening
from inspector.teach.fitting import fit_apart, lesson, refit_apart
from inspector.teach.gaussian import Covariates, choose_shrink, find_kin, fit_gaussian
from inspector.teach.groups import find_groups, spread_groups
from inspector.teach.memory import fit_memory
from inspector.teach.overall import fit_overall, how_many
from tests.teach.made import quiet


def test_gaussian_distance_is_mahalanobis() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(0, [1, 3, 0.2], (400, 2, 3)).astype(np.float32)
    model, _ = fit_gaussian([rows.swapaxes(0, 1)], 1e-3, 400)
    probe = rng.normal(0, 1, (5, 2, 3)).astype(np.float32)
    centred = probe[:, 0] - rows[:, 0].mean(axis=0)
    wanted = np.sqrt(np.einsum("nd,de,ne->n", centred, np.linalg.inv(np.cov(rows[:, 0].T, bias=True)), centred))
    np.testing.assert_allclose(np.sqrt(model.squares(probe)[:, 0]), wanted, rtol=5e-3)


def test_what_is_left_out_is_judged_as_by_a_second_fit_without_it() -> None:
    rng = np.random.default_rng(8)
    rows = rng.normal(0, 1, (20, 3, 12)).astype(np.float32)
    guests = rng.normal(1, 1, (4, 3, 12)).astype(np.float32)
    groups, hosts = np.array([0, 0, 0, 1, 1, *range(2, 17)]), np.array([0, 1, 5, 0])
    everyone = np.concatenate([rows, guests])
    model, found = fit_gaussian([everyone.swapaxes(0, 1)], 5.0, 20, find_kin(groups, hosts))
    for part in range(17):
        without, _ = fit_gaussian([rows[groups != part].swapaxes(0, 1)], 5.0, int((groups != part).sum()))
        same = np.concatenate([groups, hosts]) == part
        np.testing.assert_allclose(found[same], without.squares(everyone[same]), rtol=5e-3)
    # And it is farther out than by the model that was fitted to it.
    assert (found[:20] > model.squares(rows)).all()


def uncorrelated(count: int, dimensions: int) -> np.ndarray:  # type: ignore[type-arg]
    drawn = np.random.default_rng(10).normal(0, 1, (count, dimensions))
    return (np.linalg.qr(drawn - drawn.mean(axis=0))[0] * np.sqrt(count)).astype(np.float32)


def test_of_what_its_picture_is_like_a_cell_is_judged_conditionally() -> None:
    # A conditional Gaussian is the joint one over that of the covariates, with a part left out or not.
    rng = np.random.default_rng(11)
    known = uncorrelated(60, 4)
    rows = (
        rng.normal(0, 1, (66, 2, 9)).astype(np.float32)
        + (np.pad(known, ((0, 6), (0, 0))) @ rng.normal(0, 1, (4, 9)))[:, None]
    )
    rows = rows.astype(np.float32)
    judged = rng.normal(0, 1, (66, 4)).astype(np.float32)
    groups, hosts = np.array([0, 0, 0, 1, 1, *range(2, 57)]), np.array([0, 1, 5, 0, 9, 56])
    covariates = Covariates(learned=known, judged=judged)
    kin = find_kin(groups, hosts)
    model, found = fit_gaussian([rows.swapaxes(0, 1)], 5.0, 60, kin, covariates)

    def conditional(fitted: np.ndarray, asked: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        joint = np.concatenate([known[fitted][:, None].repeat(2, 1), rows[fitted]], axis=2)
        seen = np.concatenate([judged[asked][:, None].repeat(2, 1), rows[asked]], axis=2)
        both, _ = fit_gaussian([joint.swapaxes(0, 1)], 5.0, len(joint))
        alone, _ = fit_gaussian([joint[:, :, :4].swapaxes(0, 1)], 5.0, len(joint))
        return both.squares(seen) - alone.squares(np.ascontiguousarray(seen[:, :, :4]))

    everyone = np.arange(66)
    np.testing.assert_allclose(model.squares(rows, judged), conditional(np.arange(60), everyone), rtol=2e-2)
    for part in (0, 1, 5, 56):
        same = np.concatenate([groups, hosts]) == part
        wanted = conditional(np.flatnonzero(groups != part), everyone[same])
        np.testing.assert_allclose(found[same], wanted, rtol=2e-2)
    # What the covariates explain hides nothing any more.
    plain, _ = fit_gaussian([rows.swapaxes(0, 1)], 5.0, 60)
    odd = rows[:60] + 3 * model.slope[0].astype(np.float32)
    assert model.squares(odd, known).mean() > 2 * plain.squares(odd).mean()


def test_a_picture_farther_out_than_half_of_the_good_ones_is_shortened() -> None:
    rng = np.random.default_rng(12)
    means = rng.normal(0, [9, 3, 1, 1, 1, 1], (80, 6)).astype(np.float32)
    overall, covariates = fit_overall(means, 80, 3, 1.0, find_kin(np.arange(80)))
    np.testing.assert_allclose(covariates.learned.T @ covariates.learned / 80, np.eye(3), atol=1e-3)
    lengths = np.linalg.norm(overall.of(means), axis=1)
    assert 30 <= np.count_nonzero(lengths > overall.limit * 0.999) <= 45
    far = overall.of(means[:1] * 40)
    np.testing.assert_allclose(np.linalg.norm(far), overall.limit, rtol=1e-4)


def test_the_covariates_of_a_part_are_shortened_by_the_length_they_have_without_it() -> None:
    means = np.random.default_rng(13).normal(0, [4, 3, 2, 1], (90, 4)).astype(np.float32)
    means[:2] = (40, -30, 0, 0)
    groups = np.array([0, 0, *range(1, 89)])
    overall, covariates = fit_overall(means, 90, 4, 0.0, find_kin(groups))
    # The two pictures of part 0 are far out, and more so to a model that has not met it.
    others = means[2:].astype(np.float64)
    away = means[0] - others.mean(axis=0)
    far = np.sqrt(away @ np.linalg.inv(np.cov(others.T, bias=True)) @ away)
    np.testing.assert_allclose(covariates.judged[0], covariates.learned[0] * overall.limit / far, rtol=1e-2)
    assert np.linalg.norm(covariates.learned[0]) < 0.7 * far


def test_pictures_that_are_all_the_same_are_no_reason_to_fail() -> None:
    stack = np.ones((70, 36, FEATURES["sharp"].channels), np.float16)
    taught, distances = fit_apart(
        lesson(stack, FEATURES["sharp"], (6, 6), np.arange(70)), "gaussian", shrink=10.0, seed=1, step=quiet
    )
    assert np.isfinite(taught.scores(taught.blended(distances))).all()
    assert np.isfinite(taught.scores(taught.maps(stack + np.float16(1)))).all()
    assert len(np.unique(find_groups(stack))) == 70


def test_what_does_not_count_has_no_say_in_what_does() -> None:
    rng = np.random.default_rng(14)
    spec = FEATURES["sharp"]
    stack = rng.normal(0, 1, (80, 36, spec.channels)).astype(np.float16)
    counted = np.repeat(np.array([1, 0], np.float32), 18)
    given = lesson(stack, spec, (6, 6), np.arange(80), counted=counted)
    taught, _ = fit_apart(given, "gaussian", shrink=10.0, seed=1, step=quiet)
    assert taught.overall is not None
    other = stack[:3].copy()
    other[:, 18:] += np.float16(5)
    np.testing.assert_array_equal(taught.maps(other), taught.maps(stack[:3]))


def test_few_parts_have_no_covariates() -> None:
    assert [how_many(parts) for parts in (5, 63, 64, 120, 1000)] == [0, 0, 16, 30, 48]


def test_the_context_without_a_part_is_that_of_a_second_fit() -> None:
    rng = np.random.default_rng(9)
    tap = rng.normal(0, 1, (12, 2, 3, 192)).astype(np.float32).repeat(2, 1).repeat(2, 2)
    stack = np.concatenate([rng.normal(0, 1, (12, 4, 6, 112)), tap], axis=3).reshape(12, 24, 304).astype(np.float32)
    context, found = fit_context(stack, stack[:0], (4, 6), np.arange(24), 10.0, find_kin(np.arange(12)))
    assert found.shape == (12, 24)
    rows = context.whitening.apply(tap[:, ::2, ::2].reshape(12, 6, 192))
    without, _ = fit_gaussian([rows[1:].swapaxes(0, 1)], 10.0, 11)
    wanted = without.squares(rows[:1])[0].reshape(2, 3).repeat(2, 0).repeat(2, 1) / 4
    np.testing.assert_allclose(found[0].reshape(4, 6), wanted, rtol=5e-3)


def test_few_pictures_ask_for_more_shrinkage() -> None:
    rng = np.random.default_rng(2)
    mix = rng.normal(0, 1, (4, 40, 40)) / 6
    draw = lambda count: np.einsum("ncd,cde->nce", rng.normal(0, 1, (count, 4, 40)), mix).astype(np.float32)  # noqa: E731
    held = draw(200)
    assert choose_shrink(draw(12), held) > choose_shrink(draw(2000), held)


def test_memory_keeps_the_rare_ones_and_measures_the_nearest() -> None:
    rng = np.random.default_rng(3)
    rows = np.vstack([rng.normal(0, 0.01, (500, 8)), np.full((1, 8), 5.0)]).astype(np.float32)
    memory = fit_memory(rows, np.arange(501), 20, seed=1)
    assert memory.distance(np.full((1, 1, 8), 5.0, np.float32))[0, 0] < 1e-2
    far = memory.distance(np.full((1, 1, 8), -5.0, np.float32))[0, 0]
    np.testing.assert_allclose(far, 5 * np.sqrt(8), rtol=0.02)
    # The rare one remembers itself alone; what is left without it lies where the others do.
    alone = memory.distance(np.full((1, 1, 8), 5.0, np.float32), np.array([500]))[0, 0]
    np.testing.assert_allclose(alone, 5 * np.sqrt(8), rtol=0.02)


def test_whitening_gives_unit_variance_and_a_fixed_sign() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(0, 1, (3000, 6)) @ rng.normal(0, 1, (6, 6))
    whitened = fit_whitening(rows, 6, floor=0.0).apply(rows)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(6), atol=1e-3)


def test_pictures_of_one_part_are_found_and_never_torn_apart() -> None:
    rng = np.random.default_rng(6)
    parts = rng.normal(0, 1, (12, 30, 24))
    pictures = np.concatenate([parts + rng.normal(0, 0.3, parts.shape) for _ in range(3)]).astype(np.float16)
    groups = find_groups(pictures)
    assert groups.max() + 1 == 12
    assert all(len(set(groups[k::12])) == 1 for k in range(12))
    folds = spread_groups(groups, 5, seed=1)
    assert all(len(set(folds[groups == group])) == 1 for group in range(12))
    assert np.bincount(folds).max() <= 9


def test_different_pictures_stand_alone() -> None:
    pictures = np.random.default_rng(7).normal(0, 1, (20, 30, 24)).astype(np.float16)
    assert find_groups(pictures).max() + 1 == 20


def test_parts_of_two_kinds_are_not_two_parts() -> None:
    rng = np.random.default_rng(10)
    kinds = rng.normal(0, 1.5, (2, 30, 24)).repeat(20, axis=0)
    assert find_groups((kinds + rng.normal(0, 1, kinds.shape)).astype(np.float16)).max() + 1 == 40


def test_few_parts_with_many_pictures_each_are_found() -> None:
    rng = np.random.default_rng(11)
    parts = rng.normal(0, 1, (6, 30, 24)).repeat(12, axis=0)
    groups = find_groups((parts + rng.normal(0, 0.3, parts.shape)).astype(np.float16))
    assert groups.max() + 1 == 6


def test_of_few_pictures_those_left_out_score_like_new_ones() -> None:
    rng = np.random.default_rng(12)
    pictures = (rng.normal(0, 1, (46, 16, 120)) + rng.normal(0, 1, (16, 120))).astype(np.float16)
    given = lesson(pictures[:6], FEATURES["sharp"], (4, 4), np.arange(6))
    taught, distances = refit_apart(given, "gaussian", shrink=50.0, seed=1, step=quiet)
    fresh = taught.distances(pictures[6:])[0]
    assert np.median(distances[0]) >= np.median(fresh)
    _, known = fit_apart(given, "gaussian", shrink=50.0, seed=1, step=quiet)
    assert np.median(known[0]) < np.median(fresh)
