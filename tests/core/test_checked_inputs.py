"""What is refused of an array, and that each refusal names the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import DtypeError, EmptyError, InputError, NonFiniteError, PellucidError, ShapeError
from pellucid.core.inputs import check_inputs

IMAGE = (28, 28, 1)


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros((28, 28, 1)), ShapeError, r"x\[None\]"),
        (np.zeros((4, 28, 28)), ShapeError, r"x\[..., None\]"),
        (np.zeros((28, 28)), ShapeError, r"x\[None, ..., None\]"),
        (np.zeros((4, 14, 14, 1)), ShapeError, r"has shape \(4, 14, 14, 1\), the model takes \(samples, 28, 28, 1\)"),
        (np.zeros((0, 28, 28, 1)), EmptyError, "no sample"),
        (np.full((1, 28, 28, 1), np.inf), NonFiniteError, "np.nan_to_num"),
        (np.array(["a"]), DtypeError, r"x holds text.*preprocessing=….*preprocessing\.inputs\(x\)"),
        (np.zeros(2, [("age", float), ("job", "U5")]), DtypeError, r"x holds rows of 2 columns by name.*preprocessing\.inputs\(x\)"),
        (np.zeros((1, 28, 28, 1), complex), DtypeError, r"complex.*astype"),
        (np.array([None]), DtypeError, "object"),
        ([[1, 2], [3]], ShapeError, "different lengths"),
        (3.0, ShapeError, "single number"),
    ],
)
def test_bad_arrays_are_refused_with_what_to_do(x, error: type, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        check_inputs(x, IMAGE)
    assert isinstance(caught.value, (InputError, PellucidError, ValueError))


def test_the_place_of_the_first_nan_is_named() -> None:
    x = np.zeros((2, 3))
    x[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match=r"background holds NaN or infinity, first at \(1, 2\)"):
        check_inputs(x, (3,), "background")


@pytest.mark.parametrize(
    ("given", "kept"), [("float64", "float64"), ("float32", "float32"), ("float16", "float32"), ("uint8", "float32"), ("int64", "float32"), ("bool", "float32")]
)
def test_precision_is_kept_at_float64_and_float32_otherwise(given: str, kept: str) -> None:
    checked = check_inputs(np.ones((2, 3), given), (3,))
    assert checked.dtype == kept
    assert checked.tolist() == [[1.0] * 3] * 2


def test_free_lengths_and_unknown_shapes_pass() -> None:
    assert check_inputs(np.zeros((2, 17, 3)), (None, 3)).shape == (2, 17, 3)
    assert check_inputs(np.zeros((2, 5)), None).shape == (2, 5)
    with pytest.raises(ShapeError, match=r"\(samples, any, 3\)"):
        check_inputs(np.zeros((2, 17, 4)), (None, 3))
