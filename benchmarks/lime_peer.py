"""The lime package on digits and tables, and a reference by its own definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Classifier = Callable[[Array], Array]
"""From images (n, 28, 28, 3) to scores (n, classes)."""
PATCHES = np.kron(np.arange(49).reshape(7, 7), np.ones((4, 4), int))
BATCH = 256
KERNEL_WIDTH, RIDGE = 0.25, 1.0
"""The package's defaults for images."""


def torch_classifier(network: Any) -> Classifier:
    """The first channel of an RGB image through a torch module."""
    import torch

    def classify(images: Array) -> Array:
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(images[..., 0], dtype=np.float32))[:, None]).numpy()

    return classify


def keras_classifier(network: Any) -> Classifier:
    """The first channel of an RGB image through a Keras model, as one compiled function."""
    import tensorflow as tf

    traced = tf.function(lambda x: network(x, training=False), input_signature=[tf.TensorSpec((None, 28, 28, 1), "float32")])
    return lambda images: traced(tf.constant(images[..., :1].astype(np.float32))).numpy()


def digit(image: Array, classify: Classifier, target: int, samples: int, seed: int) -> Array:
    """The lime package's weights of the 49 patches of a digit (28, 28), black where absent."""
    from lime.lime_image import LimeImageExplainer

    rgb = np.repeat(image[..., None], 3, axis=2).astype(np.double)
    found = LimeImageExplainer(random_state=seed).explain_instance(
        rgb, classify, labels=(target,), top_labels=None, hide_color=0, num_samples=samples, batch_size=BATCH, segmentation_fn=lambda _: PATCHES
    )
    weights = dict(found.local_exp[target])
    return np.array([weights[j] for j in range(49)])


def reference(image: Array, score: Callable[[Array], Array], samples: int, seed: int) -> tuple[Array, Array]:
    """What the lime package computes, with very many samples: weights and standard errors. Every patch counts in the distance, black ones too."""
    masks = np.random.default_rng(seed).integers(0, 2, (samples, 49)).astype(np.uint8)
    masks[0] = 1
    scores = np.concatenate([score(masks[i : i + BATCH][:, PATCHES] * image) for i in range(0, samples, BATCH)]).astype(np.float64)
    weights = np.sqrt(np.exp(-np.square(1 - np.sqrt(masks.mean(axis=1))) / KERNEL_WIDTH**2))
    design = np.column_stack([np.ones(samples), masks])
    bread = np.linalg.inv(design.T @ (weights[:, None] * design) + RIDGE * np.diag([0.0] + [1.0] * 49))
    found = bread @ (design.T @ (weights * scores))
    pulls = design * (weights * (scores - design @ found))[:, None]
    return found[1:], np.sqrt(np.diag(bread @ (pulls.T @ pulls) @ bread))[1:]
