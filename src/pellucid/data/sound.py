"""Sound files: WAV as numbers from −1 to 1, with its rate."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from pellucid.core.errors import DataNotFoundError, EmptyError, InputError

Array = np.ndarray
SUFFIX = ".wav"


def read_wav(path: str | os.PathLike[str]) -> tuple[int, Array]:
    """Samples a second, and the sound, (steps, channels): whole numbers of 8 to 32 bits as fractions of their range, floats as they are. `InputError` where it
    cannot be read."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataNotFoundError(f"{file} does not exist (looked in {file.absolute().parent}); give a .wav file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # a chunk with a title is no sound
            rate, found = wavfile.read(file)
    except Exception as error:
        raise InputError(f"{file} cannot be read as WAV ({type(error).__name__}: {error}); write it anew as WAV of 16 bits.") from error
    if not found.size:
        raise EmptyError(f"{file} holds no sound.")
    return int(rate), as_sound(found.reshape(len(found), -1))


def as_sound(samples: Array) -> Array:
    """Whole numbers as fractions of their range, −1 to 1; floats as they are.

    >>> as_sound(np.array([-32768, 16384], np.int16)).tolist(), as_sound(np.array([128, 192], np.uint8)).tolist()
    ([-1.0, 0.5], [0.0, 0.5])
    """
    wide = samples.astype(np.float64)
    if samples.dtype.kind == "u":
        half = 2.0 ** (8 * samples.dtype.itemsize - 1)
        return np.asarray((wide - half) / half)
    return np.asarray(wide / 2.0 ** (8 * samples.dtype.itemsize - 1)) if samples.dtype.kind == "i" else wide


def resampled(sound: Array, rate: int, wanted: int) -> Array:
    """A sound (steps, channels) at another rate, by a polyphase filter that lets nothing above half the lower rate through."""
    common = math.gcd(rate, wanted)
    return np.asarray(resample_poly(sound, wanted // common, rate // common, axis=0))
