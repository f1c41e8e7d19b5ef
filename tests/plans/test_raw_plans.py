"""Plans over samples as a person gives them: the numbers of `explain`, whatever broke off, in this process and in others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plan_parts import compared

import pellucid
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import EmptyError, InputError, PlanError, SettingError, ShapeError

Array = np.ndarray
DRAW = np.random.default_rng(0)
ROWS = {"age": DRAW.uniform(20, 70, 23), "home": DRAW.choice(["own", "rent", "free"], 23)}
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
ON_ROWS = NumpyModel(random_stack(0, (4, 8, 2)), (4,), softmax=True)
SENTENCES = ["a really good film", "not good", "bad bad film", "a film", "really not bad at all", "good"]
TEXT = pellucid.Text.fit(SENTENCES, length=6)
ON_WORDS = EmbeddingModel.drawn(1, 6, 4, len(TEXT.vocabulary), "tanh")


def records() -> Array:
    found = np.empty(23, [("home", "U8"), ("age", "f8"), ("name", "U3")])
    found["home"], found["age"], found["name"] = ROWS["home"], ROWS["age"], "Ann"
    return found


def listed() -> list[dict[str, Any]]:
    return [{"age": float(age), "home": str(home)} for age, home in zip(ROWS["age"], ROWS["home"], strict=True)]


@pytest.mark.parametrize("form", ["mapping", "records", "list", "frame"])
@pytest.mark.parametrize(("method", "options"), [("exact_shap", {"background": ROWS}), ("integrated_gradients", {}), ("permutation_shap", {"fill": 0.0})])
def test_the_folder_holds_what_explain_gives(form: str, method: str, options: dict[str, Any], tmp_path: Path) -> None:
    data: Any = {"mapping": ROWS, "records": records(), "list": listed()}.get(form)
    if form == "frame":
        data = pytest.importorskip("pandas").DataFrame(ROWS)
    found = pellucid.Plan(ON_ROWS, data, method, shard_size=5, preprocessing=TABLE, target=1, seed=2, **options).run(tmp_path / "out").load()
    whole = pellucid.explain(ON_ROWS, ROWS, method, preprocessing=TABLE, target=1, seed=2, **options)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.inputs, whole.inputs)
    assert found.provenance["given"] == whole.provenance["given"]
    assert found.provenance["preprocessing"] == whole.provenance["preprocessing"]
    assert list(found.provenance["indices"]) == list(range(23))
    said = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert said["plan"]["preprocessing"]["preprocessing"]["settings"]["columns"][0]["unit"] == "years"
    assert said["data"]["sample_shape"] == [4]


def test_sentences_images_and_series(tmp_path: Path) -> None:
    found = pellucid.Plan(ON_WORDS, SENTENCES, "shap", shard_size=2, preprocessing=TEXT, target=1).run(tmp_path / "words").load()
    whole = pellucid.explain(ON_WORDS, SENTENCES, "shap", preprocessing=TEXT, target=1)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-6, atol=1e-9)
    assert found.feature_name(0, 4) == whole.feature_name(0, 4) == "really"
    image = pellucid.Image((6, 6), resize=True)
    pictures = [DRAW.integers(0, 256, (size, size)).astype(np.uint8) for size in (6, 9, 12)]
    on_images = NumpyModel(random_stack(1, (36, 4, 2)), (6, 6, 1))
    found = pellucid.Plan(on_images, pictures, "saliency", shard_size=2, preprocessing=image).run(tmp_path / "images").load()
    np.testing.assert_array_equal(found.values, pellucid.explain(on_images, pictures, "saliency", preprocessing=image).values)
    series = pellucid.Series(12, ("a",), (1.0,), (2.0,), other_length="fit", rate=10.0)
    lines = [DRAW.normal(size=size) for size in (12, 8, 20)]
    on_series = NumpyModel(random_stack(1, (12, 4, 2)), (12, 1))
    found = pellucid.Plan(on_series, lines, "exact_shap", shard_size=2, preprocessing=series, features="windows:4", fill=0.0).run(tmp_path / "series").load()
    whole = pellucid.explain(on_series, lines, "exact_shap", preprocessing=series, features="windows:4", fill=0.0)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-6)
    assert found.feature_name(1) == "0.4–0.8 s"


def test_chosen_samples_keep_their_own_targets_and_what_is_missing_is_made_again(tmp_path: Path) -> None:
    targets = [int(i % 2) for i in range(23)]
    plan = pellucid.Plan(ON_ROWS, ROWS, "integrated_gradients", index=[20, 3, 11], shard_size=2, preprocessing=TABLE, target=targets, labels=targets)
    found = plan.run(tmp_path / "out")
    chosen = {name: values[[20, 3, 11]] for name, values in ROWS.items()}
    np.testing.assert_allclose(
        found.load().values, pellucid.explain(ON_ROWS, chosen, "integrated_gradients", preprocessing=TABLE, target=[0, 1, 1]).values, rtol=1e-6, atol=1e-9
    )
    before = compared(tmp_path / "out")
    (tmp_path / "out" / "shard-00001.safetensors").unlink()
    plan.run(tmp_path / "out")
    assert compared(tmp_path / "out") == before
    other = pellucid.Table(tuple(TABLE.columns), missing="mean")
    with pytest.raises(PlanError, match=r"another plan|preprocessing"):
        pellucid.Plan(ON_ROWS, ROWS, "integrated_gradients", index=[20, 3, 11], shard_size=2, preprocessing=other, target=targets, labels=targets).run(
            tmp_path / "out"
        )
    moved = {name: values.copy() for name, values in ROWS.items()}
    moved["age"][3] += 1
    with pytest.raises(PlanError, match=r"data|fingerprint"):
        pellucid.Plan(ON_ROWS, moved, "integrated_gradients", index=[20, 3, 11], shard_size=2, preprocessing=TABLE, target=targets, labels=targets).run(
            tmp_path / "out"
        )


def test_a_sample_that_cannot_be_used_is_a_failure_by_itself(tmp_path: Path) -> None:
    rows = {name: values.copy() for name, values in ROWS.items()}
    rows["home"] = rows["home"].astype("U8")
    rows["home"][[0, 7]], rows["age"][12] = "castle", np.nan
    found = pellucid.Plan(ON_ROWS, rows, "integrated_gradients", shard_size=5, preprocessing=TABLE, target=1).run(tmp_path / "out")
    assert [failure.sample for failure in found.failures] == [0, 7, 12]
    assert "'castle'" in found.failures[0].text
    assert found.numbers == [i for i in range(23) if i not in (0, 7, 12)]
    good = {name: values[found.numbers] for name, values in ROWS.items()}
    whole = pellucid.explain(ON_ROWS, good, "integrated_gradients", preprocessing=TABLE, target=1)
    np.testing.assert_allclose(found.load().values, whole.values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("data", "preprocessing", "error", "says"),
    [
        (iter(SENTENCES), TEXT, SettingError, "data is a stream"),
        (SENTENCES, "text", SettingError, "preprocessing must be one of"),
        ([], TEXT, EmptyError, "no sample"),
        ({"age": [1.0, 2.0], "home": ["own"]}, TABLE, ShapeError, "different lengths"),
        (["castle one two three four five six"], TEXT, InputError, "7 tokens"),
    ],
)
def test_what_cannot_be_planned_is_one_error_and_no_folder(data: Any, preprocessing: Any, error: type[Exception], says: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        pellucid.Plan(ON_WORDS, data, "shap", preprocessing=preprocessing).run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_plan_is_text_with_its_preprocessing_and_other_processes_carry_it_out(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    torch.jit.save(torch.jit.trace(network, torch.zeros(1, 4)), tmp_path / "rows.pt")
    lines = ["home,age", *(f"{home},{age}" for home, age in zip(ROWS["home"], ROWS["age"], strict=True))]
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked = {"preprocessing": TABLE, "target": 1, "allow_unsafe": True, "shard_size": 8}
    plan = pellucid.Plan(str(tmp_path / "rows.pt"), str(tmp_path / "people.csv"), "exact_shap", **asked)
    again = pellucid.Plan.from_json(plan.to_json())
    assert again.keywords["preprocessing"] == TABLE
    plan.run(tmp_path / "one")
    again.run(tmp_path / "two", executor="processes:2")
    assert compared(tmp_path / "one") == compared(tmp_path / "two")
    whole = pellucid.explain(network, ROWS, "exact_shap", preprocessing=TABLE, target=1)
    np.testing.assert_allclose(pellucid.plans.Explanations(tmp_path / "two").load().values, whole.values, atol=1e-5)
