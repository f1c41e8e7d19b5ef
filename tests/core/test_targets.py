"""Targets in every form they can be written, and the errors of those that cannot."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import SettingError, ShapeError, UnknownClassError
from pellucid.core.target import following_target, resolve_score, resolve_target

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
        (lambda outputs: outputs, SettingError, "callable target is not served yet"),
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
