"""What a person gives on the command line: tables and sentences from files, by the preprocessing beside the network or one that is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

import pellucid
from pellucid.data.preprocessings.table import Column

torch = pytest.importorskip("torch")
TABLE = pellucid.Table((Column("age", (), 40.0, 10.0, "years"), Column("home", ("own", "rent"))))
TEXT = pellucid.Text(("", "[UNK]", "good", "bad", "film"), 4)
"""Networks are TorchScript files, which need no class."""


@pytest.fixture
def nets(place: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        on_rows = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2), torch.nn.Softmax(dim=1)).eval()
    torch.jit.save(torch.jit.trace(on_rows, torch.zeros(1, 3)), place / "rows.pt")
    pellucid.save_preprocessing(TABLE, place / "rows.pt")
    (place / "people.csv").write_text("home,age,name\nrent,25,Ann\nown,61.5,Bo\nown,40,Cy\n", encoding="utf-8")
    return place


def test_the_preprocessing_beside_the_network_is_taken_and_said(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    ran = pellucid_command("explain rows.pt people.csv --method exact_shap --index 0:2 --background people.csv --out r.safetensors --allow-unsafe")
    assert ran.code == 0, ran.err
    assert "rows.preprocessing.json, beside the network, is applied" in " ".join((ran.out + ran.err).split())
    (found,) = pellucid.load(nets / "r.safetensors")
    np.testing.assert_allclose(found.inputs, [[-1.5, 0, 1], [2.15, 1, 0]], rtol=1e-6)
    assert [one["data"] for one in found.provenance["given"]] == [["25 years", "rent"], ["61.5 years", "own"]]
    assert found.values.shape == (2, 2)
    rows = {"age": [25.0, 61.5, 40.0], "home": ["rent", "own", "own"]}
    network = torch.jit.load(nets / "rows.pt")
    want = pellucid.explain(network, {name: values[:2] for name, values in rows.items()}, "exact_shap", preprocessing=TABLE, background=rows)
    np.testing.assert_allclose(found.values, want.values, atol=1e-6)


def test_a_report_speaks_of_what_was_given(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    ran = pellucid_command("explain rows.pt people.csv --method exact_shap --index 0 --out r.csv --allow-unsafe")
    assert ran.code == 0, ran.err
    table = (nets / "r.csv").read_text(encoding="utf-8").splitlines()
    assert "given" in table[0].split(",")
    assert "25 years" in table[1]
    ran = pellucid_command("explain rows.pt people.csv --method exact_shap,integrated_gradients --index 0 --out r.json --allow-unsafe")
    assert ran.code == 0, ran.err
    shap, path = json.loads((nets / "r.json").read_text(encoding="utf-8"))
    assert shap["explanations"][0]["features"][0]["given"] == path["explanations"][0]["features"][0]["given"] == "25 years"
    assert (shap["method"], path["method"]) == ("exact_shap", "integrated_gradients")


def test_another_file_and_none(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    (nets / "rows.preprocessing.json").rename(nets / "other.json")
    plain = pellucid_command("explain rows.pt people.csv --method exact_shap --out r.safetensors --allow-unsafe")
    assert plain.code
    assert "rows of 3 columns by name, expected numbers" in plain.err
    assert "--preprocessing" in plain.err
    named = pellucid_command("explain rows.pt people.csv --method exact_shap --preprocessing other.json --out r.safetensors --allow-unsafe")
    assert named.code == 0, named.err
    (nets / "other.json").rename(nets / "rows.preprocessing.json")
    np.save(nets / "numbers.npy", np.zeros((1, 3), np.float32))
    none = pellucid_command("explain rows.pt numbers.npy --method exact_shap --preprocessing none --out r.safetensors --allow-unsafe")
    assert none.code == 0, none.err
    assert pellucid.load(nets / "r.safetensors")[0].values.shape == (1, 3)


def test_a_folder_holds_what_one_file_holds_and_goes_on(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    (nets / "more.csv").write_text("home,age\ncastle,1\nrent,25\nown,61.5\nown,40\nrent,33\n", encoding="utf-8")
    asked = "explain rows.pt more.csv --method exact_shap,integrated_gradients --index 0:5 --target 1 --out many --shard-size 2 --allow-unsafe"
    ran = pellucid_command(asked)
    assert ran.code == 0, ran.err
    assert "rows.preprocessing.json, beside the network, is applied" in " ".join((ran.out + ran.err).split())
    rows = {"age": [25.0, 61.5, 40.0, 33.0], "home": ["rent", "own", "own", "rent"]}
    for method in ("exact_shap", "integrated_gradients"):
        found = pellucid.plans.Explanations(nets / "many" / method)
        assert [failure.sample for failure in found.failures] == [0]
        want = pellucid.explain(torch.jit.load(nets / "rows.pt"), rows, method, preprocessing=TABLE, target=1)
        np.testing.assert_allclose(found.load().values, want.values, atol=1e-5)
        assert found[1].feature_name(0, 0) == "age = 61.5 years"
    (nets / "many" / "exact_shap" / "shard-00001.safetensors").unlink()
    again = pellucid_command(asked)
    assert again.code == 0, again.err
    assert (nets / "many" / "exact_shap" / "shard-00001.safetensors").exists()


def test_sentences_one_a_line(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(5, 3)
            self.out = torch.nn.Linear(3, 2)

        def forward(self, ids: torch.Tensor) -> Any:
            return self.out(self.embedding(ids.long()).mean(dim=1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Net().eval()
    torch.jit.save(torch.jit.trace(network, torch.zeros(1, 4)), nets / "words.pt")
    pellucid.save_preprocessing(TEXT, nets / "words.pt")
    (nets / "said.txt").write_text("Good film\n\nbad, bad film\n", encoding="utf-8")
    ran = pellucid_command("explain words.pt said.txt --method exact_shap --out w.safetensors --allow-unsafe")
    assert ran.code == 0, ran.err
    (found,) = pellucid.load(nets / "w.safetensors")
    assert [one["names"] for one in found.provenance["given"]] == [["Good", "film"], ["bad", ",", "bad", "film"]]
    assert found.inputs.tolist() == [[2, 4, 0, 0], [3, 1, 3, 4]]
    (nets / "long.txt").write_text("bad bad bad bad film\n", encoding="utf-8")
    long = pellucid_command("explain words.pt long.txt --method exact_shap --out l.safetensors --allow-unsafe")
    assert long.code
    assert "text 0 has 5 tokens, and the network takes 4" in " ".join(long.err.split())
    assert not (nets / "l.safetensors").exists()


def test_a_background_by_k_means(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    pytest.importorskip("sklearn")
    lines = ["home,age", *(f"own,{age}" for age in range(20, 50)), *(f"rent,{age}" for age in range(30, 40))]
    (nets / "all.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = pellucid_command("explain rows.pt people.csv --method exact_shap --index 0 --background kmeans:4:all.csv --out k.safetensors --allow-unsafe")
    assert ran.code == 0, ran.err
    (found,) = pellucid.load(nets / "k.safetensors")
    rows = {"age": np.r_[20:50, 30:40].astype(float), "home": np.repeat(["own", "rent"], [30, 10])}
    few = pellucid.typical(rows, 4, preprocessing=TABLE)
    assert sorted(few["home"]) == ["own"] * 3 + ["rent"]
    want = pellucid.explain(torch.jit.load(nets / "rows.pt"), {"age": [25.0], "home": ["rent"]}, "exact_shap", preprocessing=TABLE, background=few)
    np.testing.assert_allclose(found.values, want.values, atol=1e-5)
    wrong = pellucid_command("explain rows.pt people.csv --method exact_shap --background kmeans:all.csv --out k.safetensors --allow-unsafe")
    assert "write kmeans:20:DATA" in " ".join(wrong.err.split())


def test_a_sound_file_is_explained_at_its_rate(nets: Path, pellucid_command: Callable[[str], Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(400, 2)).eval()
    torch.jit.save(torch.jit.trace(network, torch.zeros(1, 400, 1)), nets / "heard.pt")
    pellucid.save_preprocessing(pellucid.Audio(400, rate=1000), nets / "heard.pt")
    sound = np.sin(np.arange(400) / 5)
    wavfile.write(nets / "a.wav", 1000, sound.astype(np.float32))
    ran = pellucid_command("explain heard.pt a.wav --method feature_ablation --features windows:100 --target 1 --out a.safetensors --allow-unsafe")
    assert ran.code == 0, ran.err
    (found,) = pellucid.load(nets / "a.safetensors")
    assert [found.feature_name(i) for i in range(4)] == ["0–0.1 s", "0.1–0.2 s", "0.2–0.3 s", "0.3–0.4 s"]
    weights = network[1].weight.detach().numpy()[1]
    np.testing.assert_allclose(found.values[0], (weights * sound).reshape(4, 100).sum(axis=1), atol=1e-4)
    wavfile.write(nets / "fast.wav", 2000, np.repeat(sound, 2).astype(np.float32))
    for asked in ("explain heard.pt fast.wav", "explain heard.pt a.wav --background fast.wav"):
        wrong = pellucid_command(f"{asked} --method shap --out b.safetensors --allow-unsafe")
        assert wrong.code
        assert "2000 samples a second, the network takes 1000" in " ".join(wrong.err.split())
    pellucid.save_preprocessing(pellucid.Audio(400, rate=1000, resample=True), nets / "heard.pt")
    again = pellucid_command("explain heard.pt fast.wav --method feature_ablation --features windows:100 --target 1 --out c.safetensors --allow-unsafe")
    assert again.code == 0, again.err
    np.testing.assert_allclose(pellucid.load(nets / "c.safetensors")[0].values, found.values, atol=0.02)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("home,age\ncastle,25\n", "column 'home' is 'castle' in row 0"),
        ("home,age\nown,\n", "row 0 has no number in column 'age'"),
        ("home,age\n", "holds no row"),
        ("home,age\nown\n", "row 2 has 1 fields, the first line names 2 columns"),
        ("home,home\nown,rent\n", "names columns \\['home'\\] twice"),
        ("home\nown\n", "column 'age' is missing; the rows have home"),
    ],
)
def test_a_bad_table_is_one_error(nets: Path, pellucid_command: Callable[[str], Any], text: str, says: str) -> None:
    (nets / "bad.csv").write_text(text, encoding="utf-8")
    ran = pellucid_command("explain rows.pt bad.csv --method exact_shap --out bad.safetensors --allow-unsafe")
    assert ran.code
    assert re.search(says, " ".join(ran.err.split())), ran.err
    assert not (nets / "bad.safetensors").exists()
