"""Targets in every form they can be written, and the errors of those that cannot."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import NonFiniteError, SettingError, ShapeError, UnknownClassError
from pellucid.core.scoring import slopes
from pellucid.core.target import (
    Several,
    Target,
    following_target,
    join_targets,
    of_samples,
    predicted_classes,
    reads_logits,
    resolve_score,
    resolve_target,
    written,
)

FLOAT32 = 1e-7
"""Weights of a target are float32, those of a centred logit rounded: the shift leaves this share of itself."""
OUTPUTS = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
NAMES = ("cat", "dog", "<b>")


def weights(target, outputs=OUTPUTS, names=None) -> list:
    return resolve_target(target, "output", outputs, names).weights.tolist()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("predicted", [[0, 1, 0], [1, 0, 0]]),
        (2, [[0, 0, 1]] * 2),
        (-1, [[0, 0, 1]] * 2),
        (np.int64(1), [[0, 1, 0]] * 2),
        ("dog", [[0, 1, 0]] * 2),
        ((0,), [[1, 0, 0]] * 2),
        ([0, "<b>"], [[1, 0, 0], [0, 0, 1]]),
        (np.array([2, 1]), [[0, 0, 1], [0, 1, 0]]),
        (("cat", "dog"), [[1, -1, 0]] * 2),
        (((2, 0),), [[-1, 0, 1]] * 2),
        (("predicted",), [[0, 1, 0], [1, 0, 0]]),
        (["predicted", 2], [[0, 1, 0], [0, 0, 1]]),
        ([("cat", "dog"), ("<b>", "cat")], [[1, -1, 0], [-1, 0, 1]]),
    ],
)
def test_every_form_resolves(target, expected: list) -> None:
    assert weights(target, names=NAMES) == expected


def test_labels_say_what_is_explained() -> None:
    assert resolve_target("predicted", "output", OUTPUTS, NAMES).labels == ("dog", "cat")
    assert resolve_target(("cat", "dog"), "output", OUTPUTS, NAMES).labels == ("cat − dog",) * 2
    assert resolve_target(1, "output", OUTPUTS).labels == ("1", "1")


def test_classes_without_names_are_named_by_their_numbers() -> None:
    assert weights(("0", "2")) == [[1, 0, -1]] * 2


def test_a_position_and_a_class_choose_one_output_of_a_sequence() -> None:
    outputs = np.zeros((2, 4, 3))
    target = resolve_target((2, "dog"), "output", outputs, NAMES)
    assert target.weights.shape == (2, 4, 3)
    assert np.argwhere(target.weights[1]).tolist() == [[2, 1]]
    assert target.labels == ("dog at 2",) * 2
    per_sample = resolve_target([(0, 0), (3, 2)], "output", outputs, NAMES).weights
    assert [np.argwhere(one).tolist() for one in per_sample] == [[[0, 0]], [[3, 2]]]


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        ("dgo", UnknownClassError, "did you mean 'dog'"),
        (3, UnknownClassError, "3 classes, 0 to 2"),
        (-4, UnknownClassError, "unknown class -4"),
        (("cat", "cat"), SettingError, "two different classes"),
        ((1, 2), SettingError, "names 2 axes, the output has 1"),
        ([0], SettingError, "1 entries for 2 samples"),
        (True, SettingError, "target must be"),
        (None, SettingError, "target must be"),
        (1.5, SettingError, "target must be"),
        (lambda outputs: outputs, SettingError, r"returned float64 of shape \(2, 3\) for 2 samples"),
        (lambda outputs: outputs[:, 9], SettingError, "<lambda> failed on outputs of shape .*IndexError"),
        (lambda outputs: outputs[:, 0] * np.nan, NonFiniteError, "<lambda> returned NaN"),
        (((1, 1),), SettingError, "two different classes"),
        (((1, 2, 0),), SettingError, "give a class, or a pair of names"),
    ],
)
def test_what_cannot_be_a_target_is_refused(target, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        weights(target, names=NAMES)


def test_predicted_is_ambiguous_for_a_class_per_step_and_the_tuple_to_write_is_shown() -> None:
    with pytest.raises(SettingError, match=r"ambiguous.*target=\(0, 1\)"):
        weights("predicted", np.zeros((2, 4, 3)))
    with pytest.raises(SettingError, match="ambiguous"):
        following_target(2, (4, 3), "output")


def test_outputs_without_a_class_axis_and_names_that_do_not_count_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"scores\[:, None\]"):
        weights(0, np.zeros(5))
    with pytest.raises(SettingError, match="2 names, the network 3 outputs"):
        weights(0, names=("a", "b"))


def test_scores_of_each_scale() -> None:
    logits = np.array([[1.0, 2.0, 6.0]])
    for score, expected in (("logit", 2.0), ("centered_logit", -1.0), ("output", 2.0), ("probability", 2.0)):
        assert resolve_target(1, score, logits).of(logits) == pytest.approx([expected])
    probabilities = np.array([[0.25, 0.75]])
    assert resolve_target(1, "log_probability", probabilities).of(probabilities) == pytest.approx([np.log(0.75)])
    assert np.isfinite(resolve_target(0, "log_probability", np.array([[0.0, 1.0]])).of(np.array([[0.0, 1.0]]))).all()


def test_a_contrast_of_logits_does_not_move_with_a_common_shift() -> None:
    target = resolve_target(("cat", "dog"), "logit", OUTPUTS, NAMES)
    np.testing.assert_allclose(target.of(OUTPUTS + 100), target.of(OUTPUTS))
    centred = resolve_target(1, "centered_logit", OUTPUTS)
    np.testing.assert_allclose(centred.of(OUTPUTS + 100), centred.of(OUTPUTS), atol=100 * FLOAT32)


def test_take_repeats_and_reorders() -> None:
    taken = resolve_target([0, 2], "output", OUTPUTS, NAMES).take(np.array([1, 1, 0]))
    assert taken.weights.tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]
    assert taken.labels == ("<b>", "<b>", "cat")


def test_a_following_target_settles_on_the_prediction() -> None:
    target = following_target(2, (3,), "output")
    assert target.follows_prediction
    settled = target.settled(OUTPUTS)
    assert settled.weights.tolist() == weights("predicted")
    assert not settled.follows_prediction
    assert settled.settled(-OUTPUTS) is settled


@pytest.mark.parametrize(
    ("score", "head", "expected"), [(None, "softmax", "logit"), (None, "sigmoid", "logit"), (None, None, "output"), ("probability", "softmax", "probability")]
)
def test_the_default_score_reads_logits_where_there_are_some(score, head, expected: str) -> None:
    assert resolve_score(score, head) == expected


def test_scores_that_do_not_exist_are_refused() -> None:
    with pytest.raises(SettingError, match="did you mean 'logit'"):
        resolve_score("logits", "softmax")
    with pytest.raises(SettingError, match="Use score='output'"):
        resolve_score("logit", None)


# ---- outputs with positions ------------------------------------------------------------------------------------------

STEPS = np.random.default_rng(0).normal(size=(2, 4, 3))
PIXELS = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
"""Classes first: three, over a grid of 4 × 5."""
MASK = np.arange(20).reshape(4, 5) % 3 == 0


def score(target, outputs, **options) -> tuple[list[float], tuple[str, ...]]:
    found = resolve_target(target, "output", outputs, NAMES, **options)
    return found.of(outputs).tolist(), found.labels


@pytest.mark.parametrize(
    ("target", "expected", "label"),
    [
        ((2, "dog"), STEPS[:, 2, 1], "dog at 2"),
        ((-1, 0), STEPS[:, 3, 0], "cat at -1"),
        ((1, ("cat", "dog")), STEPS[:, 1, 0] - STEPS[:, 1, 1], "cat − dog at 1"),
        ((1, (2, 0)), STEPS[:, 1, 2] - STEPS[:, 1, 0], "<b> − cat at 1"),
        ((..., 2), STEPS[:, :, 2].mean(axis=1), "<b> on average"),
        ((..., ("cat", "dog")), (STEPS[:, :, 0] - STEPS[:, :, 1]).mean(axis=1), "cat − dog on average"),
        ((np.array([0, 1, 1, 0], bool), "dog"), STEPS[:, 1:3, 1].mean(axis=1), "dog over a region of 2 (fc60ee)"),
        ((np.array([0.0, 3, 1, 0]), "dog"), 0.75 * STEPS[:, 1, 1] + 0.25 * STEPS[:, 2, 1], "dog over a region of 2 (57c3c1)"),
        ((...,), STEPS.sum(axis=(1, 2)), "all outputs"),
        ([(0, 0), (3, 2)], np.array([STEPS[0, 0, 0], STEPS[1, 3, 2]]), "cat at 0"),
    ],
)
def test_a_class_per_step_is_named_with_its_position(target, expected: np.ndarray, label: str) -> None:
    scores, labels = score(target, STEPS)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert labels[0].split(" (")[0] == label.split(" (")[0]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ((1, 2, "dog"), PIXELS[:, 1, 1, 2]),
        ((MASK, "cat"), PIXELS[:, 0][:, MASK].mean(axis=1)),
        ((MASK, ("cat", "dog")), (PIXELS[:, 0] - PIXELS[:, 1])[:, MASK].mean(axis=1)),
        ((0, 0, (0, 2)), PIXELS[:, 0, 0, 0] - PIXELS[:, 2, 0, 0]),
        ((..., 1), PIXELS[:, 1].mean(axis=(1, 2))),
        ((np.stack([MASK] * 3),), PIXELS[:, :, MASK].mean(axis=(1, 2))),
    ],
)
def test_a_class_per_pixel_where_the_network_has_its_classes_first(target, expected: np.ndarray) -> None:
    np.testing.assert_allclose(score(target, PIXELS, class_axis=0)[0], expected, rtol=1e-6)
    moved = target if not (isinstance(target, tuple) and len(target) == 1 and isinstance(target[0], np.ndarray)) else (np.moveaxis(target[0], 0, -1),)
    np.testing.assert_allclose(score(moved, np.moveaxis(PIXELS, 1, -1))[0], expected, rtol=1e-6)


def test_the_predicted_class_at_a_place_is_each_samples_own() -> None:
    found = resolve_target((2, "predicted"), "output", STEPS, NAMES)
    assert [NAMES.index(label.split(" ")[0]) for label in found.labels] == STEPS[:, 2].argmax(axis=1).tolist()
    np.testing.assert_allclose(found.of(STEPS), STEPS[:, 2].max(axis=1), rtol=1e-6)
    region = resolve_target((MASK, "predicted"), "output", PIXELS, class_axis=0)
    np.testing.assert_allclose(region.of(PIXELS), PIXELS[:, :, MASK].mean(axis=2).max(axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("dog", r"names 1 axes, the output has 2: \(4, 3\).*target=\(0, 1\).*mask of shape \(4,\)"),
        (("cat", "dog"), r"target \(cat, dog\) names 1 axes, the output has 2"),
        ((0, 0, 0), "names 3 axes"),
        ((4, 0), r"position 4, the output has positions \(4,\)"),
        ((0.5, 0), "names 2 axes"),
        ((np.ones(5), 0), r"shape \(5,\), expected \(4,\)"),
        ((np.zeros(4), 0), "True somewhere"),
        ((-np.ones(4), 0), "from 0 on"),
    ],
)
def test_a_target_that_does_not_fit_positions_shows_what_to_write(target, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        score(target, STEPS)


def test_centred_logits_are_centred_over_the_axis_of_classes() -> None:
    target = resolve_target((1, 2, 0), "centered_logit", PIXELS, class_axis=0)
    np.testing.assert_allclose(target.of(PIXELS), PIXELS[:, 0, 1, 2] - PIXELS[:, :, 1, 2].mean(axis=1), rtol=1e-5)


# ---- one sigmoid, logarithms -----------------------------------------------------------------------------------------

LOGIT = np.array([[2.0], [-0.5]])


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize(
    ("score", "first", "second"),
    [
        ("logit", -LOGIT, LOGIT),
        ("centered_logit", -LOGIT / 2, LOGIT / 2),
        ("probability", 1 - sigmoid(LOGIT), sigmoid(LOGIT)),
        ("log_probability", np.log(1 - sigmoid(LOGIT)), np.log(sigmoid(LOGIT))),
    ],
)
def test_one_sigmoid_is_two_classes(score: str, first: np.ndarray, second: np.ndarray) -> None:
    for target, expected in ((0, first), (1, second), ("ill", second), (-2, first)):
        found = resolve_target(target, score, LOGIT, ("well", "ill"), head="sigmoid")
        assert found.reads_logits
        np.testing.assert_allclose(found.of(LOGIT), expected[:, 0], rtol=1e-6)
    predicted = resolve_target("predicted", score, LOGIT, ("well", "ill"), head="sigmoid")
    assert predicted.labels == ("ill", "well")


@pytest.mark.parametrize(("head", "outputs"), [("sigmoid", sigmoid(LOGIT)), ("softmax", OUTPUTS), ("sigmoid", OUTPUTS), (None, OUTPUTS), (None, LOGIT)])
def test_predictions_name_the_classes_that_a_target_resolves_to(head: str | None, outputs: np.ndarray) -> None:
    found = predicted_classes(outputs, head)
    assert found is not None
    assert resolve_target("predicted", "output", outputs, head=head).labels == tuple(str(one) for one in found)
    assert predicted_classes(np.ones((2, 3, 4)), head) is None


def test_one_sigmoid_has_no_contrast_and_no_third_class() -> None:
    with pytest.raises(SettingError, match="twice the logit"):
        resolve_target(((1, 0),), "logit", LOGIT, head="sigmoid")
    with pytest.raises(UnknownClassError, match="2 classes"):
        resolve_target(2, "logit", LOGIT, head="sigmoid")
    outputs = sigmoid(LOGIT)
    assert resolve_target("predicted", "output", outputs, head="sigmoid").labels == ("1", "0")
    np.testing.assert_allclose(resolve_target(0, "output", outputs, head="sigmoid").of(outputs), -outputs[:, 0])


def test_several_sigmoids_are_a_class_each() -> None:
    logits = np.array([[1.0, -2.0, 0.5]])
    assert resolve_target(1, "logit", logits, head="sigmoid").weights.tolist() == [[0, 1, 0]]
    assert not reads_logits("probability", "sigmoid", (3,), -1)
    assert reads_logits("probability", "sigmoid", (1,), -1)
    assert reads_logits("probability", "sigmoid", (1, 8, 8), 0)


def test_a_mask_of_pixels_that_each_end_in_one_sigmoid() -> None:
    logits = np.random.default_rng(2).normal(size=(2, 4, 5, 1))
    found = resolve_target((MASK, 0), "probability", logits, head="sigmoid")
    np.testing.assert_allclose(found.of(logits), (1 - sigmoid(logits[:, MASK, 0])).mean(axis=1), rtol=1e-6)


def test_a_network_that_returns_logarithms_is_read_as_such() -> None:
    logs = np.log(OUTPUTS)
    for score, expected in (("probability", OUTPUTS[:, 1]), ("log_probability", logs[:, 1]), ("output", logs[:, 1])):
        np.testing.assert_allclose(resolve_target(1, score, logs, head="log_softmax").of(logs), expected)
    assert resolve_score(None, "log_softmax") == "logit"


# ---- functions and several -------------------------------------------------------------------------------------------


def margin(outputs: np.ndarray) -> np.ndarray:
    ordered = np.sort(outputs, axis=-1)
    return ordered[:, -1] - ordered[:, -2]


def test_a_function_of_the_outputs_and_its_slopes() -> None:
    target = resolve_target(margin, "output", OUTPUTS)
    np.testing.assert_allclose(target.of(OUTPUTS), [0.5, 0.2])
    assert target.labels == ("margin", "margin")
    np.testing.assert_allclose(slopes(margin, OUTPUTS), [[0, 1, -1], [1, 0, -1]], atol=1e-9)
    np.testing.assert_allclose(slopes(lambda o: np.sin(o).sum(axis=(1, 2, 3)), PIXELS), np.cos(PIXELS), atol=1e-9)
    with pytest.raises(SettingError, match="up to 4096 outputs, here are 5000"):
        slopes(lambda o: o.sum(axis=1), np.zeros((1, 5000)))
    assert resolve_score(None, "softmax", by_function=True) == "output"


def test_a_function_is_given_the_scale_that_was_asked_for() -> None:
    def first(outputs: np.ndarray) -> np.ndarray:
        return outputs[:, 0]

    np.testing.assert_allclose(resolve_target(first, "log_probability", OUTPUTS).of(OUTPUTS), np.log(OUTPUTS[:, 0]))
    np.testing.assert_allclose(resolve_target(first, "centered_logit", OUTPUTS).of(OUTPUTS), OUTPUTS[:, 0] - OUTPUTS.mean(axis=1))


def test_several_are_each_sample_by_each_target() -> None:
    several = Several("cat", ("dog", "cat"), [2, 1])
    assert several.names == ("cat", "(dog, cat)", "target 2")
    joined = join_targets([resolve_target(one, "output", OUTPUTS, NAMES) for one in several.targets])
    assert joined.labels == ("cat", "dog − cat", "<b>", "cat", "dog − cat", "dog")
    assert joined.weights.tolist() == [[1, 0, 0], [-1, 1, 0], [0, 0, 1], [1, 0, 0], [-1, 1, 0], [0, 1, 0]]
    assert of_samples(several, [1], 2).targets == ("cat", ("dog", "cat"), [1])
    for wrong in (Several(1), {"out": 1}, margin):
        with pytest.raises(SettingError, match="by itself"):
            Several(1, wrong)
    with pytest.raises(SettingError, match="at least one"):
        Several()


def test_rows_of_a_target() -> None:
    assert of_samples({"out": ["a", "b", "c"]}, slice(1, 3), 3) == {"out": ["b", "c"]}
    assert of_samples(np.array([4, 5, 6]), np.array([2, 0]), 3).tolist() == [6, 4]
    assert of_samples(("a", "b"), [0], 2) == ("a", "b")


def test_masks_are_written_by_what_they_hold() -> None:
    assert written((MASK, "cat")) == written((MASK.copy(), "cat")) != written((~MASK, "cat"))
    assert written((..., 3)) == "(all, 3)"
    assert isinstance(resolve_target(0, "output", OUTPUTS), Target)
