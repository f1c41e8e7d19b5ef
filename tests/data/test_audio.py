"""Sound from files and arrays: its numbers, its rate, its spectrogram, and where each element of that lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal.windows import hann

import pellucid
from pellucid.core.errors import DataNotFoundError, InputError, SettingError, ShapeError
from pellucid.data.load import load
from pellucid.data.sound import read_wav

Array = np.ndarray
RATE = 8000


def tone(frequency: float, seconds: float = 0.5, rate: int = RATE) -> Array:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize(
    ("kind", "within"), [(np.int16, 2**-15), (np.int32, 2**-31), (np.uint8, 2**-6), (np.float32, 1e-7), (np.float64, 1e-15)], ids=lambda one: str(one)[:20]
)
def test_a_file_of_any_width_is_the_same_sound(kind: Any, within: float, tmp_path: Path) -> None:
    sound = tone(440)
    stored = {np.int16: sound * 2**15, np.int32: sound * 2**31, np.uint8: sound * 128 + 128}.get(kind, sound).astype(kind)
    wavfile.write(tmp_path / "a.wav", RATE, stored)
    rate, found = read_wav(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(found[:, 0], sound, atol=within)
    heard = pellucid.Audio(length=len(sound), rate=RATE)
    np.testing.assert_allclose(heard.inputs(tmp_path / "a.wav")[0, :, 0], sound, atol=max(within, 1e-6))
    data = load(tmp_path / "a.wav")
    assert (data.inputs.shape, data.rate) == ((1, len(sound), 1), RATE)
    np.testing.assert_allclose(heard.inputs(data.inputs), heard.inputs([(RATE, stored)]), atol=1e-6)


def test_stereo_is_two_channels_or_their_mean_if_asked(tmp_path: Path) -> None:
    both = np.stack([tone(440), tone(880)], axis=1)
    wavfile.write(tmp_path / "s.wav", RATE, both.astype(np.float32))
    two = pellucid.Audio(length=len(both), rate=RATE, names=("left", "right"), mean=(0.0, 0.0), deviation=(1.0, 1.0))
    np.testing.assert_allclose(two.inputs([str(tmp_path / "s.wav")])[0], both, atol=1e-6)
    assert pellucid.Audio.fit(tmp_path / "s.wav").names == ("left", "right")
    mixed = pellucid.Audio(length=len(both), rate=RATE, mix=True)
    np.testing.assert_allclose(mixed.inputs(tmp_path / "s.wav")[0, :, 0], both.mean(axis=1), atol=1e-6)
    with pytest.raises(ShapeError, match=r"sound 0 has 2 channels, the network takes 1; .*mix=True"):
        pellucid.Audio(length=len(both), rate=RATE).inputs(tmp_path / "s.wav")
    with pytest.raises(ShapeError, match="1 channels, the network takes 2"):
        two.inputs([tone(440)])


def test_another_rate_is_an_error_or_brought_to_it_if_asked(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "fast.wav", 11025, tone(300, rate=11025).astype(np.float32))
    with pytest.raises(ShapeError, match=r"sound 0 has 11025 samples a second, the network takes 8000; .*resample=True"):
        pellucid.Audio(length=4000, rate=RATE).inputs(tmp_path / "fast.wav")
    found = pellucid.Audio(length=4000, rate=RATE, resample=True, other_length="fit").inputs(tmp_path / "fast.wav")
    np.testing.assert_allclose(found[0, 200:-200, 0], tone(300)[200:-200], atol=2e-3)
    above = pellucid.Audio(length=2000, rate=4000, resample=True, other_length="fit").inputs([(RATE, tone(3000))])
    assert np.abs(above[0, 100:-100]).max() < 0.01, "what the lower rate cannot hold is filtered out, not folded down"


def test_a_spectrogram_is_what_the_definition_says() -> None:
    sound = np.random.default_rng(0).normal(size=1000)
    heard = pellucid.Audio(length=1000, rate=RATE, picture="spectrogram", frame=128, hop=48)
    found = heard.inputs([sound])[0, :, :, 0]
    window = hann(128, sym=False)
    for column in (0, 7, found.shape[1] - 1):
        part = sound[column * 48 : column * 48 + 128].astype(np.float32).astype(float)
        power = np.abs(np.fft.rfft(part * window)) ** 2 / window.sum() ** 2
        power[1:-1] *= 2  # both halves of the spectrum
        np.testing.assert_allclose(found[:, column], 10 * np.log10(power + 1e-10), atol=1e-3)
        assert heard.times[column] == pytest.approx((column * 48 + 64) / RATE)
    assert found.shape == (len(heard.frequencies), len(heard.times))
    np.testing.assert_allclose(heard.frequencies, np.fft.rfftfreq(128, 1 / RATE))
    np.testing.assert_allclose(heard.restored(heard.inputs([sound]))[0, :, :, 0], found)


@pytest.mark.parametrize("picture", ["spectrogram", "mel"])
def test_a_burst_lies_at_its_time_and_frequency(picture: str) -> None:
    at = np.arange(RATE) / RATE
    sound = 1e-4 * np.random.default_rng(0).normal(size=RATE) + np.sin(2 * np.pi * 1500 * at) * ((at > 0.6) & (at < 0.7))
    heard = pellucid.Audio.fit([(RATE, sound)], picture=picture, frame=256, hop=64, bands=40)
    found = heard.inputs([sound])[0, :, :, 0]
    assert abs(found.mean()) < 1e-3
    assert found.std() == pytest.approx(1, abs=1e-3)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert heard.frequencies[row] == pytest.approx(1500, rel=0.08)
    assert 0.6 < heard.times[column] < 0.7
    tiles = heard.features([sound])
    name = tiles.names[int(tiles.of(0)[row, column, 0])]
    time, frequency = (part.split(" ")[0].split("–") for part in name.split(", "))
    assert float(time[0]) <= heard.times[column] <= float(time[1]) + 1e-3
    assert float(frequency[0]) <= heard.frequencies[row] + 1 <= float(frequency[1]) + 2
    turned = pellucid.Audio(**{**heard.settings(), "names": ("sound",), "mean": heard.mean, "deviation": heard.deviation, "units": (), "first": True})
    np.testing.assert_array_equal(turned.inputs([sound])[0, 0], found.astype(np.float32))
    assert turned.features([sound]).labels.shape == (1, 1, *found.shape)
    np.testing.assert_allclose(turned.restored(turned.inputs([sound])), heard.restored(heard.inputs([sound])))


def test_a_short_sound_is_filled_up_with_silence_where_asked() -> None:
    heard = pellucid.Audio(length=RATE, rate=RATE, picture="spectrogram", other_length="fit")
    found = heard.restored(heard.inputs([tone(440, 0.25)]))[0, :, :, 0]
    assert (found[:, heard.times > 0.3] <= -99.9).all()
    with pytest.raises(ShapeError, match="series 0 has 2000 steps, the network takes 8000"):
        pellucid.Audio(length=RATE, rate=RATE).inputs([tone(440, 0.25)])


def test_files_that_are_no_sound_and_settings_that_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"RIFF but no sound")
    heard = pellucid.Audio(length=10, rate=RATE)
    with pytest.raises(InputError, match="cannot be read as WAV"):
        heard.inputs(tmp_path / "no.wav")
    with pytest.raises(DataNotFoundError, match="does not exist"):
        heard.inputs([tmp_path / "nowhere.wav"])
    with pytest.raises(ShapeError, match="sound 1 has shape"):
        heard.inputs([np.zeros(10), np.zeros((2, 3, 4))])
    for wrong, says in (({"rate": 0}, "needs its rate"), ({"rate": 0.5}, "whole samples"), ({"picture": "photo"}, "unknown picture"),
                        ({"picture": "mel", "frame": 400}, "hop ≤ frame ≤ length"), ({"picture": "mel", "frame": 8, "hop": 9}, "hop ≤ frame")):  # fmt: skip
        with pytest.raises(SettingError, match=says):
            pellucid.Audio(**{"length": 10, "rate": RATE} | wrong)
