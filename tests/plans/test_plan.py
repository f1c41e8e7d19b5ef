"""A plan ends in the same bytes however often it was broken off, records what fails, and refuses what is not the same plan."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plan_parts
import pytest
from plan_parts import compared

import pellucid
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors
from pellucid.methods import METHODS
from pellucid.plans import Failure
from pellucid.plans.shards import Job, Shard, digest_of, explain_shard, try_one

METHOD = "integrated_gradients"


@pytest.fixture
def plan(model: NumpyModel, x: np.ndarray) -> pellucid.Plan:
    return pellucid.Plan(model, x, METHOD, shard_size=10, tolerance=0.01, seed=3)


def test_the_folder_holds_what_explain_gives(plan: pellucid.Plan, model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    found = plan.run(tmp_path / "out")
    whole = pellucid.explain(model, x, METHOD, tolerance=0.01, seed=3)
    loaded = found.load()
    np.testing.assert_allclose(loaded.values, whole.values, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(loaded.inputs, x)
    assert loaded.outcome.codes == whole.outcome.codes
    assert list(loaded.provenance["indices"]) == found.numbers == list(range(57))
    assert found.complete
    assert sorted(compared(tmp_path / "out")) == ["manifest.json", *(f"shard-{i:05}.safetensors" for i in range(6))]


def test_every_shard_is_a_file_of_records_without_times(plan: pellucid.Plan, tmp_path: Path) -> None:
    found = plan.run(tmp_path / "out")
    (record,) = pellucid.load(tmp_path / "out" / "shard-00001.safetensors")
    assert len(record) == 10
    assert np.isnan(record.cost.seconds)
    assert found[10:20].cost.seconds > 0


@pytest.mark.parametrize("method", ["shap", "lime", "smooth_grad"])
def test_two_runs_of_what_draws_give_the_same_bytes(model: NumpyModel, x: np.ndarray, method: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pellucid.Plan(model, x[:8], method, shard_size=4, tolerance=0.3, seed=5).run(tmp_path / name)
    assert compared(tmp_path / "one") == compared(tmp_path / "two")


@pytest.mark.parametrize("lost", [[0], [5], [1, 2, 4], list(range(6))])
def test_what_is_missing_is_made_again(plan: pellucid.Plan, lost: list[int], tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan.run(out)
    whole = compared(out)
    for number in lost:
        (out / f"shard-{number:05}.safetensors").unlink()
    (out / ".shard-00003.safetensors.abc.part").write_bytes(b"left behind")
    assert not pellucid.Explanations(out).complete
    assert plan.run(out).complete
    assert compared(out) == whole


def test_a_damaged_shard_and_a_journal_that_was_cut_off_or_lost_are_put_right(plan: pellucid.Plan, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan.run(out)
    whole = compared(out)
    for damaged in (out / "shard-00000.safetensors", out / "shard-00005.safetensors"):
        damaged.write_bytes(damaged.read_bytes()[:-100])
    journal = (out / "journal.jsonl").read_bytes()
    (out / "journal.jsonl").write_bytes(journal[: len(journal) // 2])
    assert len(plan.run(out)) == 57
    assert compared(out) == whole
    (out / "journal.jsonl").unlink()
    assert plan.run(out).outcomes == {"converged": 57}
    assert compared(out) == whole


@pytest.mark.parametrize("place", [100, -100], ids=["in its description", "in its arrays"])
def test_a_byte_that_flips_is_found_and_its_shard_made_again(plan: pellucid.Plan, place: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert plan.run(out).mended == []
    whole, shard = compared(out), out / "shard-00002.safetensors"
    content = bytearray(shard.read_bytes())
    content[place] ^= 1
    shard.write_bytes(content)
    earlier = pellucid.Explanations(out)
    with pytest.raises(errors.FormatError, match=r"shard-00002.*is damaged.*Run the plan again"):
        earlier[25]
    assert len(earlier[:10]) == 10
    assert plan.run(out).mended == [2]
    assert compared(out) == whole
    assert pellucid.Explanations(out).load().values.shape == (57, 6)
    assert plan.run(out).mended == []


def test_nothing_is_explained_twice(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    calls = []

    def counting(inputs: np.ndarray) -> np.ndarray:
        calls.append(len(inputs))
        return model.predict(inputs)

    plan = pellucid.Plan(counting, x, "occlusion", shard_size=10)
    plan.run(tmp_path / "out")
    calls.clear()
    plan.run(tmp_path / "out")
    assert calls == [1], "only the outputs at the first sample are looked at"


def spoiled(x: np.ndarray) -> np.ndarray:
    bad = x.copy()
    bad[[0, 13], 2] = np.nan
    bad[10:20, 1] = np.inf
    return bad


def test_a_sample_that_fails_is_recorded_and_the_rest_goes_on(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    found = pellucid.Plan(model, spoiled(x), METHOD, shard_size=10).run(tmp_path / "out")
    assert [failure.sample for failure in found.failures] == [0, *range(10, 20)]
    assert {failure.error for failure in found.failures} == {"NonFiniteError"}
    assert len(found) == 57 - 11
    assert found.numbers == [*range(1, 10), *range(20, 57)]
    good = pellucid.explain(model, x[20:21], METHOD)
    np.testing.assert_allclose(found[9].values, good.values, rtol=1e-12)
    assert found.manifest["result"] == {"samples": 57, "explained": 46, "failed": 11, "shards": 6}


def refusing(model: NumpyModel) -> Callable[[np.ndarray], np.ndarray]:
    """A callable that fails for any batch with a sample whose first value is large, and says where it is in memory."""

    def black_box(inputs: np.ndarray) -> np.ndarray:
        if (inputs[:, 0] > 1.5).any():
            raise RuntimeError(f"cannot look at {object()}")
        return model.predict(inputs)

    return black_box


def test_a_sample_that_the_model_refuses_is_found_among_the_others(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    refused = np.flatnonzero(x[:, 0] > 1.5)
    assert 0 < len(refused) < 10
    for name in ("one", "two"):
        found = pellucid.Plan(refusing(model), x, "occlusion", shard_size=20, labels=list(range(57))).run(tmp_path / name)
    assert [failure.sample for failure in found.failures] == refused.tolist()
    assert found.failures[0] == Failure(int(refused[0]), "RuntimeError", "cannot look at <object object>")
    assert found.load().provenance["labels"] == found.numbers == np.flatnonzero(x[:, 0] <= 1.5).tolist()
    assert compared(tmp_path / "one") == compared(tmp_path / "two")


def test_want_of_memory_is_not_the_samples_fault(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    seen = []

    def hungry(inputs: np.ndarray) -> np.ndarray:
        seen.append(len(inputs))
        if len(seen) > 20:
            raise MemoryError
        return model.predict(inputs)

    with pytest.raises(MemoryError):
        pellucid.Plan(hungry, x, "occlusion", shard_size=5).run(tmp_path / "out")
    assert pellucid.Explanations(tmp_path / "out").failures == []


def test_strict_and_all_failed_raise_at_the_end(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(errors.StrictError, match="11 × NonFiniteError, first sample 0"):
        pellucid.Plan(model, spoiled(x), METHOD, shard_size=10).run(tmp_path / "strict", strict=True)
    assert pellucid.Explanations(tmp_path / "strict").complete
    with pytest.raises(errors.StrictError, match="57 × budget_exhausted"):
        pellucid.Plan(model, x, METHOD, max_evaluations=8, tolerance=1e-9).run(tmp_path / "budget", strict=True)
    with pytest.raises(errors.PlanError, match="none of the 57 samples"):
        pellucid.Plan(model, np.full_like(x, np.nan), METHOD).run(tmp_path / "none")


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 4}, "seed: 3 there, 4 here"),
    "tolerance": ({"tolerance": 0.02}, "tolerance: 0.01 there, 0.02 here"),
    "shard size": ({"shard_size": 20}, "shard_size: 10 there, 20 here"),
    "index": ({"index": slice(0, 50)}, "data.index: '0:57' there, '0:50' here"),
    "a setting": ({"steps": 16}, "steps: None there, 16 here"),
    "a baseline": ({"baseline": np.ones(6, np.float32)}, "baseline: None there"),
    "labels": ({"labels": list(range(57))}, "data.fingerprint"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_plan_in_the_folder_is_refused(plan: pellucid.Plan, model: NumpyModel, x: np.ndarray, name: str, tmp_path: Path) -> None:
    plan.run(tmp_path / "out")
    before = compared(tmp_path / "out")
    changed, said = OTHER[name]
    with pytest.raises(errors.PlanError) as caught:
        pellucid.Plan(model, x, METHOD, **({"shard_size": 10, "tolerance": 0.01, "seed": 3} | changed)).run(tmp_path / "out")
    assert said in str(caught.value)
    assert "another folder" in str(caught.value)
    assert compared(tmp_path / "out") == before


def test_other_data_another_model_and_another_version_are_refused(plan: pellucid.Plan, model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan.run(out)
    same = {"shard_size": 10, "tolerance": 0.01, "seed": 3}
    changed = x.copy()
    changed[50] += 1
    for said, call in {"data.fingerprint": (model, changed), "outputs at the first sample": (plan_parts.network(7), x)}.items():
        with pytest.raises(errors.PlanError, match=said):
            pellucid.Plan(*call, METHOD, **same).run(out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["versions"]["numpy"] = "1.0"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(errors.PlanError, match=r"versions.numpy: '1.0' there"):
        plan.run(out)


def test_two_runs_do_not_write_into_one_folder(plan: pellucid.Plan, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    from pellucid.plans.folder import Folder

    plan.run(tmp_path / "out")
    with Folder(tmp_path / "out"), pytest.raises(errors.PlanError, match="another process"):
        plan.run(tmp_path / "out")
    assert plan.run(tmp_path / "out").complete


MISTAKES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "method": ({"method": "shapp"}, errors.UnknownMethodError, "did you mean 'shap'"),
    "view": ({"method": "activation_map"}, errors.UnknownMethodError, "is a view"),
    "keyword": ({"stepps": 3}, errors.SettingError, "stepps"),
    "class": ({"target": 7}, errors.UnknownClassError, "7"),
    "tolerance": ({"tolerance": -1}, errors.SettingError, "tolerance"),
    "option": ({"fill": 0.0}, errors.SettingError, "does not take fill"),
    "executor": ({"executor": "threads"}, errors.UnknownPartError, "processes"),
    "no executor": ({"executor": 3}, errors.SettingError, "concurrent.futures"),
    "no sample": ({"index": slice(60, 70)}, errors.EmptyError, "no sample"),
    "no such sample": ({"index": [3, 99]}, errors.SettingError, "no sample 99"),
    "shape": ({"data": np.zeros((3, 5), np.float32)}, errors.ShapeError, "the model takes"),
    "workers without a file": ({"executor": "processes:2"}, errors.PlanError, "Save it to a file"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_error_before_any_work(model: NumpyModel, x: np.ndarray, name: str, tmp_path: Path) -> None:
    asked = {"data": x, "method": METHOD} | MISTAKES[name][0]
    executor = asked.pop("executor", "serial")
    with pytest.raises(MISTAKES[name][1], match=MISTAKES[name][2]):
        pellucid.Plan(model, **asked).run(tmp_path / "out", executor=executor)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("word", ["strict", "progress", "resume", "x"])
def test_keywords_of_the_run_are_told_their_place(model: NumpyModel, x: np.ndarray, word: str) -> None:
    with pytest.raises(errors.SettingError, match=f"does not take {word}: write"):
        pellucid.Plan(model, x, METHOD, **{word: True})


def test_keywords_with_an_entry_a_sample_go_with_their_samples(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    target, baseline = list(np.arange(57) % 3), np.random.default_rng(3).normal(size=(57, 6)).astype(np.float32)
    chosen = [40, 3, 3, 11, 56]
    found = pellucid.Plan(model, x, METHOD, index=chosen, shard_size=2, target=target, baseline=baseline).run(tmp_path / "out").load()
    whole = pellucid.explain(model, x[chosen], METHOD, target=[target[i] for i in chosen], baseline=baseline[chosen])
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12)
    assert found.target.labels == whole.target.labels
    assert found.provenance["indices"] == chosen


@pytest.mark.parametrize("chosen", [list(range(7)), [5, 2, 3]])
def test_a_label_map_for_each_row_of_a_table_goes_with_its_row(model: NumpyModel, x: np.ndarray, chosen: list[int], tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    maps = np.stack([draw.permutation([0, 0, 1, 1, 2, 2]) for _ in range(7)])
    found = pellucid.Plan(model, x[:7], "exact_shap", index=chosen, shard_size=2, features=maps).run(tmp_path / "out").load()
    whole = pellucid.explain(model, x[chosen], "exact_shap", features=maps[chosen])
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12)
    assert found.features is not None
    np.testing.assert_array_equal(found.features.labels, maps[chosen])


def test_a_stream_gives_the_same_shards_as_an_array_and_must_not_be_shuffled(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    def stream(order: np.ndarray | None = None) -> Any:
        rows = x if order is None else x[order]
        return ((rows[i : i + 8], np.arange(8)) for i in range(0, 57, 8))

    array = pellucid.Plan(model, x, METHOD, shard_size=10, name="x").run(tmp_path / "array")
    found = pellucid.Plan(model, stream(), METHOD, shard_size=10, name="x").run(tmp_path / "stream")
    assert {name: content for name, content in compared(found.folder).items() if "shard" in name} == {
        name: content for name, content in compared(array.folder).items() if "shard" in name
    }
    whole = compared(found.folder)
    (found.folder / "shard-00004.safetensors").unlink()
    pellucid.Plan(model, stream(), METHOD, shard_size=10, name="x").run(found.folder)
    assert compared(found.folder) == whole
    shuffled = np.r_[0:30, np.arange(30, 57)[::-1]]
    with pytest.raises(errors.PlanError, match="no shuffling"):
        pellucid.Plan(model, stream(shuffled), METHOD, shard_size=10, name="x").run(found.folder)
    with pytest.raises(errors.PlanError, match="shards more"):
        pellucid.Plan(model, iter([x[:20]]), METHOD, shard_size=10, name="x").run(found.folder)


def test_a_stream_with_samples_of_other_shapes_goes_on(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    found = pellucid.Plan(model, [*x[:3], x[3, :4], *x[4:6]].__iter__(), METHOD).run(tmp_path / "out")
    assert [(failure.sample, failure.error) for failure in found.failures] == [(3, "InputError")]
    assert len(found) == 5


def test_a_file_of_numpy_stays_on_the_disk(model: NumpyModel, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", spoiled(x))
    found = pellucid.Plan(model, str(tmp_path / "x.npy"), METHOD, index=slice(1, 40)).run(tmp_path / "out")
    assert len(found) == 29
    assert found[0].provenance["data"].endswith("x.npy")


def test_the_handle_reads_as_a_sequence(plan: pellucid.Plan, tmp_path: Path) -> None:
    found = plan.run(tmp_path / "out")
    whole = found.load()
    assert len(found) == len(list(found)) == 57
    assert [len(shard) for shard in found.shards()] == [10, 10, 10, 10, 10, 7]
    for index in (0, -1, 33):
        np.testing.assert_array_equal(found[index].values, whole[index].values)
    for some in (slice(8, 33), slice(None, None, -7), [40, 3, 41, 3], np.array([56, 0])):
        np.testing.assert_array_equal(found[some].values, whole[some].values)
    with pytest.raises(IndexError, match="explanation 57 of 57"):
        found[57]
    with pytest.raises(errors.EmptyError):
        found[57:]
    assert "explained=57" in repr(found)
    assert "converged" in found._repr_html_()


def test_a_folder_that_is_none_is_told() -> None:
    with pytest.raises(errors.DataNotFoundError, match="holds no plan"):
        pellucid.Explanations("/")
    with pytest.raises(errors.FormatError, match=r"pellucid\.Explanations"):
        pellucid.load("/")


def test_a_plan_can_be_sent(x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", x)
    method = METHODS.load("integrated_gradients")(rule="midpoint", steps=16)
    plan = pellucid.Plan(
        "net.keras", tmp_path / "x.npy", method, index=slice(2, None, 3), target=("a", "b"), baseline=x[:1], features={"g": [1, 2]}, tolerance=np.float64(0.1)
    )
    for sent in (pellucid.Plan.from_json(plan.to_json()), pickle.loads(pickle.dumps(plan))):  # noqa: S301
        assert (str(sent.model), str(sent.data), sent.method, sent.index) == ("net.keras", str(tmp_path / "x.npy"), method, plan.index)
        np.testing.assert_array_equal(sent.keywords["baseline"], x[:1])
        assert {key: sent.keywords[key] for key in ("target", "features", "tolerance")} == {"target": ("a", "b"), "features": {"g": [1, 2]}, "tolerance": 0.1}
    assert pellucid.Plan.from_json(pellucid.Plan("m.pt2", "mnist", "shap", index=[4, 1]).to_json()).index == [4, 1]
    with pytest.raises(errors.SettingError, match="path of its data"):
        pellucid.Plan("m.pt2", x, "shap").to_json()
    for text in ("", "{}", '{"type": "plan", "version": 99}'):
        with pytest.raises(errors.FormatError):
            pellucid.Plan.from_json(text)


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS.load(name)().error_kind != "exact"])
def test_every_method_can_be_tried_roughly(method: str) -> None:
    """A plan sees its mistakes by explaining one sample at a tolerance that everything meets."""
    draw = np.random.default_rng(0)
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(2)]
    net = pellucid.adapt(keras.Sequential([keras.Input((8, 8, 1)), *layers]))
    x = draw.random((1, 8, 8, 1)).astype(np.float32)
    takes = METHODS.load(method).accepts
    keywords = ({"features": "patches:4"} if "features" in takes else {}) | ({"background": x} if "background" in takes and "fill" not in takes else {})
    job = Job(net, "", "", False, method, keywords, "x", x[0].shape)
    shard = Shard(0, (0,), (x[0],), digest_of(x))
    try_one(job, shard)
    assert explain_shard(job, shard).entry["failed"] == 0


def test_the_manifest_says_what_was_explained_and_no_time(plan: pellucid.Plan, tmp_path: Path) -> None:
    plan.run(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["plan"] == {"method": METHOD, "seed": 3, "shard_size": 10, "tolerance": 0.01}
    assert manifest["data"]["samples"] == 57
    assert {"fingerprint", "framework", "batch_size", "outputs"} <= set(manifest["model"])
    assert {"pellucid", "python", "numpy"} <= set(manifest["versions"])
    lines = [json.loads(line) for line in (tmp_path / "out" / "journal.jsonl").read_text().splitlines()]
    assert [line["seconds"] > 0 for line in lines if "shard" in line] == [True] * 6
    shutil.copytree(tmp_path / "out", tmp_path / "moved")
    assert len(pellucid.Explanations(tmp_path / "moved")) == 57


def both(given: dict[str, np.ndarray]) -> np.ndarray:
    """A network with two inputs."""
    return np.stack([given["a"].sum(axis=1) * given["b"][:, 0], given["b"].sum(axis=1)], axis=1)


def test_several_inputs_as_arrays_and_as_a_stream(x: np.ndarray, tmp_path: Path) -> None:
    data = {"a": x, "b": x[:, :3] + 1}
    fill = {"a": 0.5, "b": x[:1, :3]}
    target, baseline = list(np.arange(57) % 2), None
    whole = pellucid.explain(both, data, "shap", target=target, fill=fill, seed=2)
    found = pellucid.Plan(both, data, "shap", target=target, fill=fill, seed=2, shard_size=10, baseline=baseline).run(tmp_path / "arrays")
    np.testing.assert_allclose(found.load().values, whole.values, rtol=1e-9, atol=1e-12)
    assert found.manifest["data"]["inputs"] == {"a": [6], "b": [3]}
    assert set(found[3].by_input) == {"a", "b"}
    spoiled_data = {"a": spoiled(x), "b": data["b"]}
    bad = pellucid.Plan(both, spoiled_data, "shap", target=target, fill=fill, seed=2, shard_size=10).run(tmp_path / "bad")
    assert [failure.sample for failure in bad.failures] == [0, *range(10, 20)]
