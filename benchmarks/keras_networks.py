"""The Keras networks for peers that know TensorFlow only: ResNet-18's size, and a thin one; random weights, for what is measured is time and memory."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def resnet18(classes: int = 1000) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((224, 224, 3))
    x = _convolution(layers.ZeroPadding2D(3)(inputs), 64, 7, 2, "valid")
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(layers.ReLU()(x)))
    before = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for step in (stride, 1):
            inner = _convolution(layers.ReLU()(_convolution(x, width, 3, step)), width, 3, 1)
            shortcut = x if step == 1 and before == width else _convolution(x, width, 1, step)
            x, before = layers.ReLU()(layers.Add()([inner, shortcut])), width
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def _convolution(x: Any, width: int, size: int, stride: int, padding: str = "same") -> Any:
    return layers.BatchNormalization()(layers.Conv2D(width, size, stride, padding, use_bias=False)(x))


def thin_network() -> Any:
    keras.utils.set_random_seed(0)
    first = [layers.Conv2D(16, 7, 2, "same", activation="relu"), layers.MaxPooling2D(4)]
    second = [layers.Conv2D(32, 3, 2, "same", activation="relu"), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((224, 224, 3)), *first, *second, layers.Dense(10)])
