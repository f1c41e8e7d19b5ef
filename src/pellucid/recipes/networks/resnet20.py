"""The residual network of 20 layers for small photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=30, batch=128, rate=2e-3, shift=0.1, turn=0.0)
BLOCKS = 3
WIDTHS = (16, 32, 64)


def resnet20(input_shape: tuple[int, ...], classes: int, *, seed: int = 0) -> Any:
    """Conv 16, then three stages of three blocks of 16, 32 and 64 channels – mean over the image – softmax, for images (height, width, channels).

    A block adds what came in to what two convolutions make of it, each normalised over the batch. Where a stage halves the image and doubles the channels,
    every second pixel of what came in is taken, and the new channels are zero (option A), so that the way past the convolutions has no weights.
    Source: He, Zhang, Ren & Sun 2016, arXiv:1512.03385, section 4.2. `pellucid.recipes.pretrained` fills it with weights trained in PyTorch.
    """
    if len(input_shape) != 3 or min(input_shape[:2]) < 4:
        raise ShapeError(f"network 'resnet20' got samples of shape {tuple(input_shape)}, expected (height, width, channels) of at least 4 × 4.")
    keras = frameworks.keras()
    layers, initializers = keras.layers, keras.initializers
    seeds = iter(range(1000 * seed + 1, 1000 * seed + 100))

    def convolved(hidden: Any, width: int, step: int, names: tuple[str, str]) -> Any:
        """A convolution and its normalisation. Of two steps, a border of one on every side comes before, where Keras would set it on two sides alone."""
        hidden = layers.ZeroPadding2D(1, name=f"{names[0]}_border")(hidden) if step > 1 else hidden
        kernel = initializers.HeNormal(seed=next(seeds))
        padding = "valid" if step > 1 else "same"
        hidden = layers.Conv2D(width, 3, step, padding=padding, use_bias=False, kernel_initializer=kernel, name=names[0])(hidden)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=names[1])(hidden)

    image = keras.Input(tuple(input_shape), name="image")
    hidden = layers.Activation("relu", name="relu")(convolved(image, WIDTHS[0], 1, ("conv1", "bn1")))
    for stage, width in enumerate(WIDTHS, start=1):
        for block in range(BLOCKS):
            hidden = _block(keras, hidden, width, f"layer{stage}_{block}", convolved)
    mean = layers.GlobalAveragePooling2D(name="mean")(hidden)
    head = layers.Dense(classes, activation="softmax", kernel_initializer=initializers.HeNormal(seed=next(seeds)), name="linear")
    return keras.Model(image, head(mean), name="resnet20")


def _block(keras: Any, came: Any, width: int, name: str, convolved: Callable[..., Any]) -> Any:
    layers = keras.layers
    grown = width - came.shape[-1] if name != "layer1_0" else 0
    step = 2 if grown else 1
    hidden = convolved(came, width, step, (f"{name}_conv1", f"{name}_bn1"))
    hidden = layers.Activation("relu", name=f"{name}_relu1")(hidden)
    hidden = convolved(hidden, width, 1, (f"{name}_conv2", f"{name}_bn2"))
    if grown:
        came = layers.MaxPooling2D(1, step, name=f"{name}_every_second")(came)
        came = keras.ops.pad(came, ((0, 0), (0, 0), (0, 0), (grown // 2, grown - grown // 2)))
    return layers.Activation("relu", name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([hidden, came]))
