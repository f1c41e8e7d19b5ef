"""Records come back as they went, in one file, whole or not at all; other files are refused with a reason."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

import synthetic
from pellucid.core.errors import DataNotFoundError, FormatError, OutputError, SettingError
from pellucid.core.records import concat
from pellucid.core.view import View
from pellucid.store import load, save
from pellucid.store.codec import ELEMENTS
from pellucid.store.file import KEY, from_bytes, to_bytes

FILES = Path(__file__).parent / "files"
EVERY = [
    *(synthetic.explanation(method) for method in ("saliency", "grad_cam", "integrated_gradients", "lime", "shap", "smooth_grad")),
    dataclasses.replace(synthetic.explanation("lime"), baseline=None, baseline_score=None, features=None, class_names=(), statistics={}, provenance={}),
    synthetic.view(),
    synthetic.states(),
    synthetic.diagnosed(),
    synthetic.inspection(),
    *(synthetic.several(method) for method in ("integrated_gradients", "lime")),
    synthetic.varied(synthetic.explanation("lime")),
    synthetic.evaluation(synthetic.explanation("lime")),
    synthetic.compared(),
    dataclasses.replace(synthetic.inspection(), input_shape=None, head=None, layers=(), methods={}, views={}),
]


def assert_same(left: Any, right: Any, where: str = "record") -> None:
    """Equal in type, order and every bit."""
    if isinstance(left, np.ndarray):
        assert isinstance(right, np.ndarray), where
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes()), where
    elif dataclasses.is_dataclass(left):
        assert type(left) is type(right), where
        for field in dataclasses.fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name), f"{where}.{field.name}")
    elif isinstance(left, Mapping):
        assert list(left) == list(right), where
        for key in left:
            assert_same(left[key], right[key], f"{where}.{key}")
    elif isinstance(left, (list, tuple)):
        assert (type(left), len(left)) == (type(right), len(right)), where
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            assert_same(a, b, f"{where}.{i}")
    else:
        assert type(left) is type(right), where
        assert left == right or (left != left and right != right), where


@pytest.mark.parametrize("record", EVERY, ids=lambda record: type(record).__name__)
def test_every_field_comes_back(record, tmp_path) -> None:
    save(record, tmp_path / "one.safetensors")
    (back,) = load(tmp_path / "one.safetensors")
    assert_same(record, back)


def test_several_records_keep_their_order_and_share_their_inputs(tmp_path) -> None:
    path = save(EVERY, tmp_path / "all.safetensors")
    for record, back in zip(EVERY, load(path), strict=True):
        assert_same(record, back)
    one, six = to_bytes(EVERY[:1]), to_bytes([EVERY[0]] * 6)
    assert len(six) < len(one) + 6 * 8000


def test_what_was_loaded_can_be_used(tmp_path) -> None:
    lime, view = load(save([EVERY[3], EVERY[7]], tmp_path / "a"))
    assert len(lime[1]) == 1
    assert concat([lime, lime]).outcome.worst.code == "poor_fit"
    assert lime.to_input().shape == lime.inputs.shape
    lime.values[0] = 0
    assert len(view[1]) == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | arrays.arrays(st.sampled_from(["f4", "f8", "i8", "u1", "?"]), arrays.array_shapes(min_dims=0, min_side=0)),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_any_provenance_comes_back(provenance) -> None:
    view = View("activation_map", {}, {}, np.zeros((1, 2), np.float32), provenance)
    assert_same(view, from_bytes(to_bytes([view]))[0])


def test_arrays_in_any_order_of_memory_and_bytes_come_back() -> None:
    base = np.arange(24, dtype=">f4").reshape(1, 4, 6)
    odd = {"turned": base.transpose(0, 2, 1), "every_second": base[:, :, ::2], "fortran": np.asfortranarray(base), "half": base.astype(np.float16)}
    view = View("activation_map", odd, {}, base)
    (back,) = from_bytes(to_bytes([view]))
    for name, array in odd.items():
        np.testing.assert_array_equal(back.values[name], array)


def test_arrays_of_equal_bytes_but_other_kinds_are_kept_apart() -> None:
    zeros = {
        "whole": np.zeros(2, np.int64),
        "real": np.zeros(2),
        "square": np.zeros((1, 2)),
        "again": np.zeros(2),
        "none": np.zeros((0, 3)),
        "empty": np.zeros((3, 0)),
    }
    view = View("v", {}, {}, np.zeros((1, 1)), zeros)
    assert_same(view, from_bytes(to_bytes([view]))[0])


def test_text_arrays_and_own_objects_are_kept_as_text() -> None:
    class Own:
        pass

    provenance = {"labels": np.array([["a", "b"]]), "features": Own(), "count": np.int64(3), "rate": np.float32(0.5)}
    (back,) = from_bytes(to_bytes([View("v", {}, {}, np.zeros((1, 1)), provenance)]))
    assert back.provenance["labels"].tolist() == [["a", "b"]]
    assert "Own" in back.provenance["features"]
    assert " at 0x" not in back.provenance["features"]
    assert (back.provenance["count"], back.provenance["rate"]) == (3, 0.5)


def test_the_same_records_give_the_same_bytes_in_another_process() -> None:
    code = f"import sys; sys.path.insert(0, {str(FILES.parents[1])!r}); import synthetic as s, hashlib; from pellucid.store.file import to_bytes as t\n"
    code += "print(hashlib.sha256(t([s.explanation('lime'), s.view(), s.inspection()])).hexdigest())"
    seeds = ("1", "2")
    found = {subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout for seed in seeds}
    assert len(found) == 1


def test_non_finite_numbers_are_valid_json() -> None:
    content = to_bytes([synthetic.inspection(), View("v", {}, {}, np.zeros((1, 1)), {"a": math.nan, "b": -math.inf})])
    header = _header(content)
    json.dumps(header, allow_nan=False)
    assert from_bytes(content)[1].provenance["b"] == -math.inf


def test_every_element_carries_type_and_version() -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert {"type", "version"} <= set(value)
            for part in value["fields"].values() if "fields" in value else value.values():
                walk(part)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    header = _header(to_bytes(EVERY))
    walk(header)
    found = json.dumps(header)
    assert all(f'"type": "{name}"' in found for name in ELEMENTS)


def test_the_file_of_version_0_1_opens() -> None:
    path = FILES / "records-0.1.safetensors"
    assert path.stat().st_size < 50_000
    ig, lime, view, inspection = load(path)
    assert (ig.method, ig.target.score, ig.outcome[0].code, ig.axes) == ("integrated_gradients", "logit", "converged", ("sample", "row", "column", "channel"))
    assert ig.values.shape == ig.error.shape == ig.inputs.shape == (1, 28, 28, 1)
    assert (lime.features.kind, lime.outcome.codes, float(lime.statistics["r_squared"][0])) == ("patches", ("poor_fit",), 0.41)
    assert (view.axes["dense"], view.values["dense"].shape) == (("sample", "unit"), (1, 64))
    assert (inspection.layers[0].shape, inspection.methods) == ((26, 26, 12), {"saliency": "", "grad_cam": ""})


def _header(content: bytes) -> dict:
    size = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"][KEY])


def _changed(content: bytes, change) -> bytes:
    """The same file with its description changed."""
    header = _header(content)
    change(header)
    return tensor_bytes(read_tensors(content), metadata={KEY: json.dumps(header)})


GOOD = to_bytes([synthetic.explanation("lime", 1)])
CHANGES = {
    "newer file": (lambda h: h.update(version=2), "version 2, this release reads up to 1; upgrade"),
    "newer record": (lambda h: h["records"][0].update(version=9), "'explanation' has version 9.*upgrade"),
    "newer element": (lambda h: h["records"][0]["fields"]["cost"].update(version=2), "'cost' has version 2"),
    "unknown record": (lambda h: h["records"][0].update(type="dream"), "a list of explanation"),
    "unknown element": (lambda h: h["records"][0]["fields"]["cost"].update(type="os.system"), "'os.system' is not known"),
    "no version": (lambda h: h["records"][0].pop("version"), "version None"),
    "no records": (lambda h: h.pop("records"), "a list of explanation"),
    "missing field": (lambda h: h["records"][0]["fields"].pop("values"), "explanation cannot be read"),
    "unknown field": (lambda h: h["records"][0]["fields"].update(mood="good"), "field 'mood'"),
    "wrong kind of field": (lambda h: h["records"][0]["fields"].update(values="all of them"), "field 'values'"),
    "missing tensor": (lambda h: h["records"][0]["fields"]["values"].update(tensor="gone"), "array cannot be read"),
}


def test_arrays_that_disagree_in_length_are_refused() -> None:
    record = synthetic.explanation("lime", 2)
    for wrong in ({"score": record.score[:1]}, {"error": record.error[:, :3]}, {"inputs": record.inputs[:1]}, {"degrees": np.array(3.0)}):
        with pytest.raises(FormatError, match="do not agree"):
            from_bytes(to_bytes([dataclasses.replace(record, **wrong)]))
    choices = synthetic.varied(record).choices
    for shorter in ({"gradients": choices.gradients[:1]}, {"options": choices.of(slice(1)).options}):
        with pytest.raises(FormatError, match="do not agree"):
            from_bytes(to_bytes([dataclasses.replace(record, choices=dataclasses.replace(choices, **shorter))]))
    pair = synthetic.compared()
    for wrong in ({"rank": pair.rank[:1]}, {"b": pair.b[:1]}, {"error": pair.error[:, :3]}, {"a": dataclasses.replace(pair.a, score=pair.a.score[:1])}):
        with pytest.raises(FormatError, match="do not agree"):
            from_bytes(to_bytes([dataclasses.replace(pair, **wrong)]))


@pytest.mark.parametrize("name", CHANGES)
def test_a_damaged_or_newer_file_is_refused_with_the_reason(name, tmp_path) -> None:
    change, text = CHANGES[name]
    path = tmp_path / "changed.safetensors"
    path.write_bytes(_changed(GOOD, change))
    with pytest.raises(FormatError, match=text) as caught:
        load(path)
    assert "changed.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + 50 * b"x", GOOD[:-7], GOOD[: len(GOOD) // 2], GOOD[:4], b"\xff" * 64, (9).to_bytes(8, "little") + b"not json!"],
)
def test_a_foreign_or_cut_file_is_refused(content, tmp_path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FormatError, match=r"safetensors|damaged"):
        load(tmp_path / "file")


def test_weights_of_a_network_are_refused(tmp_path) -> None:
    (tmp_path / "weights").write_bytes(tensor_bytes({"w": np.zeros(3)}))
    with pytest.raises(FormatError, match="without records"):
        load(tmp_path / "weights")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_any_changed_byte_is_refused_or_read_never_another_error(place, byte) -> None:
    content = bytearray(GOOD)
    content[place] = byte
    with contextlib.suppress(FormatError):
        from_bytes(bytes(content))


def test_a_missing_file_and_a_folder_are_named(tmp_path) -> None:
    with pytest.raises(DataNotFoundError, match="no file"):
        load(tmp_path / "gone")
    with pytest.raises(FormatError, match="cannot be read"):
        load(tmp_path)


def test_an_unwritable_place_leaves_nothing_behind(tmp_path) -> None:
    for place in (tmp_path / "no" / "file", tmp_path, Path("/proc/file")):
        with pytest.raises(OutputError, match="cannot write"):
            save(EVERY[0], place)
    assert not list(tmp_path.iterdir())


def test_a_failure_keeps_the_earlier_file(tmp_path, monkeypatch) -> None:
    path = save(EVERY[0], tmp_path / "file")
    before = path.read_bytes()

    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        save(EVERY[1], path)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("records", [[], ["text"], 3])
def test_only_records_are_saved(records, tmp_path) -> None:
    with pytest.raises(SettingError, match="save "):
        save(records, tmp_path / "file")


def test_a_view_without_samples_comes_back_and_one_row_a_sample_is_still_held() -> None:
    values, axes = {"conv": np.arange(6.0).reshape(3, 2), "map": np.zeros((2, 4))}, {"conv": ("epoch", "channel"), "map": ("sample", "unit")}
    (back,) = from_bytes(to_bytes([View("v", values, axes, np.zeros((2, 5)))]))
    assert isinstance(back, View)
    assert np.array_equal(back.values["conv"], values["conv"])
    with pytest.raises(FormatError, match="do not agree in length"):
        from_bytes(to_bytes([View("v", values, axes, np.zeros((3, 5)))]))
