"""Sound explained: the planted tone is found at its time and frequency, in a network trained on tones and in one that hears speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

import pellucid
from pellucid.core.records import Explanation

torch = pytest.importorskip("torch")
Array = np.ndarray
RATE, LENGTH = 4000, 4000
HEARD = pellucid.Audio(LENGTH, mean=(-60.0,), deviation=(15.0,), rate=RATE, picture="spectrogram", frame=128, hop=64, first=True)
LOW, HIGH, OTHER = 600.0, 1200.0, 1700.0


def sounds(count: int, seed: int) -> tuple[list[Array], Array, Array]:
    """Noise with a burst of 0.15 s at a time of its own, low or high, and another tone that says nothing; which it is, and when the burst begins."""
    draw = np.random.default_rng(seed)
    at, label, begin, other = np.arange(LENGTH) / RATE, draw.integers(0, 2, count), draw.uniform(0.1, 0.75, count), draw.uniform(0.1, 0.75, count)

    def burst(frequency: float, start: float) -> Array:
        return 0.3 * np.sin(2 * np.pi * frequency * at) * ((at >= start) & (at < start + 0.15))

    made = [0.01 * draw.normal(size=LENGTH) + burst(HIGH if label[i] else LOW, begin[i]) + burst(OTHER, other[i]) for i in range(count)]
    return made, label, begin


@pytest.fixture(scope="module")
def trained() -> Any:
    """A small convolution over the spectrogram, trained to tell low from high wherever they are."""
    raw, label, _ = sounds(160, 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(6, 6, 3, padding=1), torch.nn.ReLU(),
            torch.nn.AdaptiveMaxPool2d((16, 1)), torch.nn.Flatten(), torch.nn.Linear(96, 2),
        )  # fmt: skip
        x, y = torch.from_numpy(HEARD.inputs(raw)), torch.from_numpy(label)
        optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
        for _epoch in range(20):
            for part in torch.randperm(len(x)).split(40):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(net(x[part]), y[part]).backward()
                optimiser.step()
    test, right, _ = sounds(100, 1)
    with torch.no_grad():
        accuracy = float((net(torch.from_numpy(HEARD.inputs(test))).argmax(1).numpy() == right).mean())
    assert accuracy >= 0.97, accuracy
    return net.eval()


def places(found: Explanation, label: Array, begin: Array) -> list[bool]:
    """Whether the strongest element of each map lies at the burst, within a window's width and a bin or two."""
    hits = []
    for i, values in enumerate(np.abs(found.to_input()[:, 0])):
        row, column = np.unravel_index(values.argmax(), values.shape)
        time, frequency = HEARD.times[column], HEARD.frequencies[row]
        hits.append(begin[i] - 0.05 <= time <= begin[i] + 0.2 and abs(frequency - (HIGH if label[i] else LOW)) <= 100)
    return hits


@pytest.mark.parametrize(("method", "least"), [pytest.param("integrated_gradients", 0.95, marks=pytest.mark.slow), ("gradient_x_input", 0.95)])
def test_gradients_find_the_tone_at_its_time_and_frequency(trained: Any, method: str, least: float) -> None:
    raw, label, begin = sounds(100, 1)
    found = pellucid.explain(trained, raw, method, preprocessing=HEARD, target=[int(one) for one in label], **({} if method[0] == "g" else {"baseline": 0.0}))
    assert found.values.shape == (100, 1, 65, 61)
    assert np.mean(places(found, label, begin)) >= least


@pytest.mark.slow
@pytest.mark.parametrize("method", ["shap", "lime"])
def test_the_tile_that_holds_the_tone_is_first(trained: Any, method: str) -> None:
    raw, label, begin = sounds(100, 1)
    targets = [int(one) for one in label]
    found = pellucid.explain(trained, raw, method, preprocessing=HEARD, target=targets, fill=0.0, tolerance=0.2, max_evaluations=400)
    hits = []
    for i in range(100):
        (name,) = found.strongest(1, sample=i).names
        (start, stop), (low, high) = ([float(one) for one in part.split(" ")[0].split("–")] for part in name.split(", "))
        hits.append(stop >= begin[i] - 0.05 and start <= begin[i] + 0.2 and low - 100 <= (HIGH if label[i] else LOW) <= high + 100)
    assert np.mean(hits) >= 0.95


def test_a_file_is_explained_from_python_and_in_a_plan(trained: Any, tmp_path: Path) -> None:
    raw, label, _ = sounds(3, 2)
    for i, sound in enumerate(raw):
        wavfile.write(tmp_path / f"{i}.wav", RATE, (sound * 2**15).astype(np.int16))
    files = [str(tmp_path / f"{i}.wav") for i in range(3)]
    targets = [int(one) for one in label]
    plain = pellucid.explain(trained, raw, "feature_ablation", preprocessing=HEARD, target=targets)
    found = pellucid.explain(trained, files, "feature_ablation", preprocessing=HEARD, target=targets)
    np.testing.assert_allclose(found.values, plain.values, atol=0.05 * np.abs(plain.values).max())
    plan = pellucid.Plan(trained, files, "feature_ablation", preprocessing=HEARD, target=targets, shard_size=2).run(tmp_path / "out")
    np.testing.assert_allclose(plan.load().values, found.values, atol=1e-5)
    wavfile.write(files[1], RATE * 2, raw[1].astype(np.float32))
    again = pellucid.Plan(trained, files, "feature_ablation", preprocessing=HEARD, target=targets, shard_size=2).run(tmp_path / "other")
    assert [(one.sample, one.error) for one in again.failures] == [(1, "ShapeError")]
    Path(files[0]).unlink()
    gone = pellucid.Plan(trained, files, "feature_ablation", preprocessing=HEARD, target=targets, shard_size=2).run(tmp_path / "gone")
    assert [(one.sample, one.error) for one in gone.failures] == [(0, "DataNotFoundError"), (1, "ShapeError")]


@pytest.mark.slow
def test_a_network_that_hears_speech_hears_it_where_it_is() -> None:
    silero = pytest.importorskip("silero_vad")
    heard, rate = silero.load_silero_vad(), 16000
    at, draw = np.arange(rate) / rate, np.random.default_rng(0)
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.05 * np.sin(2 * np.pi * 5 * at))) / rate
    voice = sum(
        (sum(np.exp(-(((k * 120 - middle) / width) ** 2)) for middle, width in ((700, 130), (1220, 170), (2600, 250))) + 0.01) * np.sin(k * phase)
        for k in range(1, 40)
    )

    def probability(waves: Array) -> Array:
        """The mean over the middle of what the network says of each 32 ms, in order, for it remembers."""
        heard.reset_states()
        with torch.no_grad():
            steps = [heard(torch.from_numpy(waves[:, i : i + 512, 0].astype(np.float32)), rate) for i in range(0, rate - 511, 512)]
        return np.asarray(torch.cat(steps, dim=1).mean(dim=1, keepdim=True).numpy())

    read = pellucid.Audio(rate, rate=rate)
    for begin in (0.2, 0.5):
        sound = 0.3 * voice / np.abs(voice).max() * ((at > begin) & (at < begin + 0.3)) + 0.001 * draw.normal(size=rate)
        found = pellucid.explain(probability, [(rate, sound)], "shap", preprocessing=read, features="windows:1600", fill=0.0, tolerance=0.2)
        assert found.score[0] > 0.15
        inside = [begin - 0.001 <= i / 10 < begin + 0.3 for i in range(10)]
        assert found.values.shape == (1, 10)
        (name,) = found[0].strongest(1).names
        assert begin <= float(name.split("–")[0]) < begin + 0.3, name
        assert np.abs(found.values[0][inside]).sum() > 2 * np.abs(found.values[0][~np.array(inside)]).sum()
