"""Images: bytes or shades, of one size, standardised."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import DtypeError, EmptyError, InputError, SettingError, ShapeError
from pellucid.core.inputs import on_host
from pellucid.core.preprocessing import Preprocessing

Array = np.ndarray


@dataclass(frozen=True)
class Image(Preprocessing):
    """Images as they are kept and shown, and the arrays that a network takes: (shade − mean) / deviation, shades from 0 to 1.

    `raw`: bytes or shades from 0 to 1, (samples, height, width) or (samples, height, width, channels); a list of such images, of several sizes where they are
    resized; paths of PNG and JPEG files. size: (height, width) of the network. channels: 1 or 3, or more; an image of one channel serves a network of three,
    not the other way. An image of another size is an error, unless `resize` asks for the whole of it to be scaled (with smoothing; its shape may change).
    mean, deviation: one number, or one a channel. first: channels first, as in PyTorch.

    >>> image = Image((2, 2), mean=(0.5,), deviation=(0.5,))
    >>> image.inputs(np.full((1, 2, 2), 255, np.uint8))[..., 0].tolist(), image.restored(image.inputs(np.zeros((1, 2, 2))))[..., 0].tolist()
    ([[[1.0, 1.0], [1.0, 1.0]]], [[[0.0, 0.0], [0.0, 0.0]]])
    """

    size: tuple[int, int]
    channels: int = 1
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    first: bool = False
    resize: bool = False
    kind: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1 or self.channels < 1:
            raise SettingError(f"an image needs size=(height, width) and channels of at least 1; got {self.size}, {self.channels}.")
        for name, values in (("mean", self.mean), ("deviation", self.deviation)):
            if len(values) not in (1, self.channels) or not np.isfinite(values).all() or (name == "deviation" and min(values) <= 0):
                raise SettingError(f"{name} must be one number, or one for each of the {self.channels} channels (deviations above 0); got {values}.")

    def inputs(self, raw: Any) -> Array:
        shades = np.stack([self._one(image, row) for row, image in enumerate(_images(raw))])
        scaled = ((shades - _float32(self.mean)) / _float32(self.deviation)).astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(scaled, -1, 1)) if self.first else scaled

    def restored(self, inputs: Array) -> Array:
        """Shades from 0 to 1, channels last."""
        last = np.moveaxis(np.asarray(inputs), 1, -1) if self.first else np.asarray(inputs)
        return np.asarray(np.clip(last * _float32(self.deviation) + _float32(self.mean), 0, 1))

    def _one(self, image: Any, row: int) -> Array:
        """An image as shades from 0 to 1, (height, width, channels)."""
        array = _read(image) if isinstance(image, (str, os.PathLike)) else np.asarray(on_host(image))
        if array.ndim not in (2, 3) or array.dtype.kind not in "uifb":
            raise ShapeError(f"image {row} has shape {array.shape} and type {array.dtype}, expected (height, width) or (height, width, channels).")
        array = array[..., None] if array.ndim == 2 else array
        shades = array.astype(np.float32) / np.float32(255) if array.dtype == np.uint8 else array.astype(np.float32)
        if not np.isfinite(shades).all() or shades.min() < 0 or shades.max() > 1:
            raise DtypeError(
                f"image {row} ({array.dtype}) has values from {array.min()} to {array.max()}, expected bytes (uint8, 0 to 255) or shades from 0 to 1."
            )
        if shades.shape[-1] != self.channels:
            if shades.shape[-1] != 1:
                raise ShapeError(f"image {row} has {shades.shape[-1]} channels, the network takes {self.channels}; convert it.")
            shades = np.repeat(shades, self.channels, axis=-1)
        if shades.shape[:2] == tuple(self.size):
            return shades
        if not self.resize:
            raise ShapeError(
                f"image {row} is {shades.shape[0]} × {shades.shape[1]}, the network takes {self.size[0]} × {self.size[1]}; resize it, or ask for it with "
                "resize=True."
            )
        from skimage.transform import resize

        scaled: Array = np.clip(resize(shades, self.size, order=1, anti_aliasing=True), 0, 1).astype(np.float32)
        return scaled


def _float32(values: tuple[float, ...]) -> Array:
    return np.asarray(values, dtype=np.float32)


def _images(raw: Any) -> list[Any]:
    """The images, one after the other."""
    if isinstance(raw, (str, os.PathLike)):
        return [raw]
    images = list(raw) if isinstance(raw, (list, tuple)) else np.asarray(on_host(raw))
    if not isinstance(images, list) and images.ndim not in (3, 4):
        raise ShapeError(f"images have shape {images.shape}, expected (samples, height, width) or (samples, height, width, channels).")
    if not len(images):
        raise EmptyError("there is no image; give at least one.")
    return list(images)


def _read(path: str | os.PathLike[str]) -> Array:
    """The image of a file, shades from 0 to 1."""
    from pellucid.data.load import IMAGES, load

    if not os.fspath(path).lower().endswith(IMAGES):
        raise InputError(f"{os.fspath(path)} is no image file; served are {', '.join(IMAGES)}.")
    found: Array = load(path).inputs[0]
    return found
