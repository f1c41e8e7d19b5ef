"""Feature images of two trained networks and of every unit of the reference CNN's last convolution: how surely they are recognised when moved, how much they
vary against real images, and what a step costs, beside lucent (PyTorch) and tf-keras-vis (Keras), which are given the steps that they have by default."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

import digits
import networks
import pellucid
import placeholders
from pellucid.core.layout import from_last
from pellucid.core.target import Target
from pellucid.maths.climbing import Plateau
from pellucid.maths.parameterisation import Coefficients, Palette
from pellucid.maths.transformations import Moves
from pellucid.maths.variation import total_variation
from pellucid.views._ascent import ascend, model_objective
from pellucid.views._feature_ground import moves
from reporting import Report
from timing import ratio

TITLE = "Feature visualisation: classes, units, and the cost of a step"
PACKAGES = ("torch", "torch-lucent", "keras", "tensorflow-cpu", "tf-keras-vis")
EFFICIENTNET, CIFAR = (207,), tuple(range(10))
"""The golden retriever of ImageNet's classes; all of CIFAR-10's."""
SURE, VARIATION, ABOVE, STEP = 0.99, 2.0, 99.0, 1.15
TRIALS, STEPS, PAIRS = 64, 16, 5
LUCENT_STEPS = 512
Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A torch network on images (n, 3, rows, columns) that gives logits, real images, and the classes."""

    name: str
    network: nn.Module
    real: Array
    classes: tuple[int, ...]
    of_peers: tuple[int, ...]


def measure(report: Report) -> None:
    for case in (_efficientnet(), _resnet()):
        _classes(report, case)
    _units(report)
    _cost(report)


def _classes(report: Report, case: Case) -> None:
    report.say(
        f"{case.name}: probability of its class, of each image under {TRIALS} random shifts (a sixteenth of a side), rotations (10°) and scalings (10 %) drawn "
        f"anew, mean over them, the lowest image's; total variation over that of {len(case.real)} real images."
    )
    rows: list[tuple[object, ...]] = []
    best: dict[str, tuple[float, float]] = {}
    for settings in ({}, {"parameterisation": "maco"}, {"variation": None, "contrast": None}):
        begun = time.perf_counter()
        view = pellucid.visualize(case.network, case.real, "feature_visualization", classes=case.classes, progress=False, **settings)
        seconds = (time.perf_counter() - begun) / len(case.classes)
        told = view.details["output"]
        name = "pellucid" + "".join(f" {key}={value}" for key, value in settings.items())
        found = _judged(case, view.values["output"], case.classes)
        best[name] = found[0], found[1]
        rows.append(_row(name, len(case.classes), found, told["steps"].mean(), seconds))
    peers = {"lucent": lambda: _lucent(case)} | ({"tf-keras-vis": _keras_vis} if case.real.shape[-1] == 32 else {})
    rows += [_peer(case, name, run) for name, run in peers.items()]
    report.table(("", "images", "probability, lowest", "variation, highest", "steps", "seconds an image"), rows)
    probability, variation = best["pellucid"]
    others = "; ".join(f"{row[0]} {row[2]}" for row in rows if not str(row[0]).startswith("pellucid"))
    report.bar(f"{case.name}: probability under random shifts, rotations and scalings", f"≥ {SURE}", f"{probability:.4f}", others, probability >= SURE)
    others = "; ".join(f"{row[0]} {row[3]}" for row in rows if not str(row[0]).startswith("pellucid"))
    report.bar(f"{case.name}: total variation over that of real images", f"≤ {VARIATION:g}", f"{variation:.2f}", others, variation <= VARIATION)


def _row(name: str, images: int, found: tuple[float, float], steps: float, seconds: float) -> tuple[object, ...]:
    return name, images, f"{found[0]:.4f}", f"{found[1]:.2f}", f"{steps:.0f}", f"{seconds:.1f}"


def _peer(case: Case, name: str, run: Callable[[], tuple[Array, tuple[int, ...], int]]) -> tuple[object, ...]:
    begun = time.perf_counter()
    try:
        images, classes, steps = run()
    except Exception as error:  # noqa: BLE001 - a peer that does not run is told of, whatever it raises
        return name, "–", f"does not run: {type(error).__name__}", "–", "–", "–"
    return _row(name, len(classes), _judged(case, images, classes), steps, (time.perf_counter() - begun) / len(classes))


def _judged(case: Case, images: Array, classes: tuple[int, ...]) -> tuple[float, float]:
    """The lowest mean probability, and the greatest variation, of images (n, rows, columns, 3) in the network's own units."""
    generator, found = np.random.default_rng(1234), []
    for _ in range(TRIALS):
        moved = moves(1.0).draw(generator, images.shape[1:-1])(images.astype(np.float64))
        with torch.no_grad():
            logits = case.network(networks.tensor(from_last(moved, "first")))
        found.append(torch.softmax(logits.double(), 1).numpy()[np.arange(len(classes)), list(classes)])
    real = np.moveaxis(case.real, 1, -1)
    reach = real.max(axis=(0, 1, 2)) - real.min(axis=(0, 1, 2))
    return float(np.mean(found, axis=0).min()), float(total_variation(images, reach).max() / total_variation(real, reach).mean())


class _Normalised(nn.Module):
    """A network on images from 0 to 1, as lucent's are."""

    def __init__(self, network: nn.Module, low: Array, high: Array) -> None:
        super().__init__()
        self.network, self.low, self.reach = network, networks.tensor(low.reshape(1, 3, 1, 1)), networks.tensor((high - low).reshape(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(self.low + x * self.reach)


def _lucent(case: Case) -> tuple[Array, tuple[int, ...], int]:
    """lucent as its guide has it: Fourier and decorrelated, its own transformations, Adam, 512 steps."""
    render = placeholders.lucent()
    from lucent.optvis import param

    low, high = case.real.min(axis=(0, 2, 3)), case.real.max(axis=(0, 2, 3))
    side, made = case.real.shape[-1], []
    wrapped = _Normalised(case.network, low, high).eval()
    for number in case.of_peers:
        torch.manual_seed(number)
        images = render.render_vis(
            wrapped,
            lambda layer, number=number: -layer("labels")[:, number].mean(),
            lambda: param.image(side, fft=True, decorrelate=True),
            preprocess=False,
            fixed_image_size=side,
            progress=False,
            show_image=False,
            thresholds=(LUCENT_STEPS,),
        )
        made.append(low + images[-1][0] * (high - low))
    return np.stack(made), case.of_peers, LUCENT_STEPS


def _keras_vis() -> tuple[Array, tuple[int, ...], int]:
    """tf-keras-vis as its guide has it, on the same weights in Keras, whose images are normalised."""
    import tensorflow
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    from pellucid.recipes.pretrained import IMAGE, resnet20_cifar10

    steps = 200
    network, _ = resnet20_cifar10(networks.shared("resnet20_cifar10_state_dict.pt"))
    mean, deviation = np.array(IMAGE.mean), np.array(IMAGE.deviation)
    low, high = float(((0 - mean) / deviation).min()), float(((1 - mean) / deviation).max())
    maximise = ActivationMaximization(network, model_modifier=ReplaceToLinear(), clone=False)
    seed = tensorflow.random.uniform((len(CIFAR), 32, 32, 3), low, high, seed=0)
    found = maximise(CategoricalScore(list(CIFAR)), seed_input=seed, input_range=(low, high), steps=steps)
    return np.clip(np.asarray(found) * deviation + mean, 0, 1), CIFAR, steps


def _efficientnet() -> Case:
    from skimage import data, transform
    from sklearn.datasets import load_sample_images

    real = []
    for picture in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), *load_sample_images().images):
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        real.append(transform.resize(picture[top : top + side, left : left + side], (224, 224), anti_aliasing=True))
    images = (np.stack(real).astype(np.float32) * 255 - 127) / 128
    return Case("EfficientNet-Lite0", networks.efficientnet_lite0(), np.ascontiguousarray(images.transpose(0, 3, 1, 2)), EFFICIENTNET, EFFICIENTNET)


def _resnet() -> Case:
    return Case("ResNet-20 of CIFAR-10", networks.resnet20(), networks.cifar_images(500)[0], CIFAR, CIFAR[:1])


def _units(report: Report) -> None:
    network, real = digits.keras_network(), digits.held_out()
    layer = [one.name for one in pellucid.adapt(network).layers() if "Conv" in one.kind][-1]
    begun = time.perf_counter()
    view = pellucid.visualize(network, real, "feature_visualization", layers=layer, channels="all", progress=False)
    seconds = time.perf_counter() - begun
    told = view.details[layer]
    dead = told["real"].max(axis=0) <= 0
    above = told["percentile"][~dead] > ABOVE
    report.say(
        f"Reference CNN, {layer}: {len(dead)} units, {dead.sum()} dead on {len(real):,} held-out digits; {above.sum()} of the {len(above)} others have images "
        f"that excite them more than {ABOVE:g} % of the digits do, {(told['percentile'][~dead] >= 100).sum()} more than any; their scores are "
        f"{np.median(told['score'][~dead] / told['real'].max(axis=0)[~dead]):.2f} times the most exciting digit's in the median. "
        f"Variation at most {told['variation'][~dead].max():.2f} times that of digits; {np.median(told['steps']):.0f} steps in the median; {seconds:.0f} s.\n"
    )
    report.bar(
        f"reference CNN: units of the last convolution excited more than by {ABOVE:g} % of digits",
        "all that are not dead",
        f"{above.sum()} of {len(above)}",
        "–",
        bool(above.all()),
    )


def _cost(report: Report) -> None:
    """A step of the climb over the bare network's forward and backward pass on as many images, both in torch."""
    report.say(
        f"A step, with its Fourier synthesis, random transformation, limit of variation and Adam in NumPy, over the bare passes ({STEPS} of each, in pairs):\n"
    )
    small = networks.digit_cnn(digits.weights())
    cases = (
        ("EfficientNet-Lite0, 1 image of 224 × 224", _efficientnet().network, (1, 3, 224, 224)),
        ("ResNet-20, 10 images of 32 × 32", networks.resnet20(), (10, 3, 32, 32)),
        ("digit CNN, 64 images of 28 × 28", small, (64, 1, 28, 28)),
    )
    found = {name: _step_over_bare(network, shape) for name, network, shape in cases}
    report.table(("", "time over the bare passes"), [(name, f"{over:.2f}") for name, over in found.items()])
    worst = max(found, key=lambda name: found[name])
    report.bar("a step of the climb over a forward and a backward pass", f"≤ {STEP}", f"at most {found[worst]:.2f} ({worst})", "–", found[worst] <= STEP)


def _step_over_bare(network: nn.Module, shape: tuple[int, ...]) -> float:
    model = pellucid.adapt(network)
    images = np.full(shape, 0.5, np.float32)
    model.meet(images[:1])
    ready = torch.from_numpy(images)
    with torch.no_grad():
        classes = network(ready).shape[1]
    weights = np.eye(classes, dtype=np.float32)[np.zeros(shape[0], int)]
    grid, channels = shape[2:], shape[1]
    made = Coefficients(grid, Palette(np.zeros(channels), np.ones(channels), np.full(channels, 0.5), np.eye(channels)))

    def value(inputs: Array, rows: Array) -> tuple[Array, Array]:
        gradients = model.gradients(inputs, Target(weights[rows], "output", ()))
        return gradients.scores, gradients.gradients["input"]

    def climb() -> None:
        ascend(
            model_objective(value, "first"),
            made,
            Plateau(STEPS),
            seeds=np.arange(shape[0])[:, None],
            moves=Moves(1 / 16, 10, 0.1),
            limit=0.05,
            contrast=0.2,
        )

    def bare() -> None:
        for _ in range(STEPS):
            x = ready.clone().requires_grad_(True)
            torch.autograd.grad(network(x)[:, 0].sum(), x)

    return ratio(climb, bare, PAIRS)
