"""Feature visualisation: the input that most excites a class, a channel or a direction, found by gradient ascent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.method import Progress
from pellucid.core.model import Model
from pellucid.core.scene import NONE, Scene, Shown, ViewMethod
from pellucid.maths.climbing import BUDGET, LIMIT, NOISE, TOLERANCE, Plateau
from pellucid.maths.variation import contrast, total_variation
from pellucid.views._ascent import Ascent, ascend, model_objective, side_by_side, within
from pellucid.views._feature_findings import ABOVE_REAL, findings_of
from pellucid.views._feature_ground import Ground, moves
from pellucid.views._features import Facets, Subjects, as_taken, facet_layer, layer_subjects, output_subjects
from pellucid.views._representation import log_probabilities

Array = np.ndarray
PARAMETERISATIONS = ("fourier", "maco", "pixels")
TRIALS = 32
"""Fresh transformations under which a class's probability is measured."""
BY_FEATURE = ("number", "facet", "score", "percentile", "probability", "probability_low", "variation", "contrast", "steps", "end", "silent")
ENDS = (NOISE, TOLERANCE, BUDGET, LIMIT)
FIRST = 0.75
"""The share of a layer's work, as it is told, before what comes no higher than real inputs climbs again."""
TOGETHER = 32e6
"""Bytes of images, in float64, that are climbed side by side."""


@dataclass(frozen=True)
class FeatureVisualization(ViewMethod):
    """The input that most excites a class, a channel, or a direction in a layer's channels, and how far it can be believed.

    Use it to see what a unit looks for, as a picture of the network's own. Without `layers`, classes of the output: those asked for, else those that the
    network predicts for `x`, else the first ones. With `layers`, their channels. Give real inputs as `x`: they tell the range, the colours, the spectrum and
    the scores that real inputs reach, against which the images are held. What comes no higher than they do climbs again from the one that comes highest.

    `classes`: names or numbers. `channels`: numbers, or "all". `direction`: weights of one layer's channels, (channels,) or (n, channels). Else at most `most`.
    `parameterisation`: "fourier", coefficients scaled by 1/frequency; "maco", phases alone under the amplitudes that real inputs have (1/frequency where none
    are given), which keeps images natural and scores lower; "pixels", also for tables.
    `transformations`: how much each step shifts (a sixteenth of a side), turns (10°) and scales (10 %) what the network is shown; 0 for not at all.
    `diversity`: images a subject, kept apart. `variation` and `contrast`: the greatest total variation and the greatest standard deviation over places, as
    multiples of those of real inputs; None for no limit.
    `range`: (low, high), numbers or one a channel. None takes the data's, else 0 to 1 (0 to 255 where the network rescales) for images, −3 to 3 for others.
    `budget`: the most steps. A climb ends on its plateau: when, by the line through its last third and its standard error, 16 steps more would bring less than
    `tolerance` of all that it gained. A network that takes long is seen sooner, and coarser, with a larger tolerance.

    Scores are of the image as it stands: a class's logit (less the mean of all classes' before a softmax), or a channel's activation averaged over its places.
    Shapes: per layer (features, *input), channels last. Details by feature: `number` of the class or channel, `facet`, `score`, `percentile` of the score among
    `real` (samples, features), `probability` and `probability_low`, mean and lowest of the class under 32 fresh transformations, `variation` and `contrast` as
    multiples of real inputs', `steps`, `end` (0: no rise beyond its error, 1: a rise below the tolerance, 2: budget, 3: budget, flat but above a limit),
    `silent` (1: no gradient was ever found) and `importance` (features, *grid), by place the mean size of the gradients, which says where the image matters.
    Does not say that the network answers like this to real inputs, nor that the feature is all that excites the unit: see `top_examples`.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[1.0], [-1.0]]), np.zeros(1))], (2,))
    >>> pellucid.visualize(model, None, "feature_visualization", range=(0, 1)).values["output"].round(1).tolist()
    [[1.0, 0.0]]
    """

    title: ClassVar[str] = "Feature visualisation"
    answers: ClassVar[str] = "Which input excites this class, channel or direction most?"
    citation: ClassVar[str] = "Olah et al. 2017, doi:10.23915/distill.00007; Fel et al. 2023, arXiv:2306.06805"
    looks_at: ClassVar[str] = NONE
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    several_inputs: ClassVar[bool] = False

    classes: Any = None
    channels: Any = None
    direction: Any = None
    parameterisation: str = "fourier"
    transformations: float = 1.0
    diversity: int = 1
    variation: float | None = 1.5
    contrast: float | None = 1.0
    range: Any = None
    budget: int = 1024
    tolerance: float = 0.01
    most: int = 12

    def __post_init__(self) -> None:
        if self.parameterisation not in PARAMETERISATIONS:
            raise SettingError(unknown("parameterisation", self.parameterisation, PARAMETERISATIONS))
        for name in ("diversity", "budget", "most"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise SettingError(f"{name} must be a whole number of at least 1, got {value!r}.")
        for name, least in (("transformations", 0.0), ("tolerance", 0.0), ("variation", 1e-6), ("contrast", 1e-6)):
            value = getattr(self, name)
            if value is None and name in ("variation", "contrast"):
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not least <= value < np.inf:
                raise SettingError(f"{name} must be a number of at least {least:g}, got {value!r}.")
        if self.direction is not None and self.channels is not None:
            raise SettingError("give either channels or a direction, not both.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        if model.traits.gradients and not model.layers() and len(model.traits.needed) < 2:
            return ""  # a function of which no layer is known has classes all the same
        reason = super().refuses(model)
        if not reason and model.traits.tokens and any("Embedding" in layer.kind for layer in model.layers()):
            return "changes an input's values step by step, and tokens are whole numbers, which have no gradient; see what excites a unit in top_examples"
        return reason

    def show(self, scene: Scene) -> Shown:
        ground = Ground.of(scene, self.parameterisation, self.range)
        chosen = [subjects.repeated(self.diversity) for subjects in self._subjects(scene)]
        total, done = sum(len(subjects.numbers) for subjects in chosen), 0
        values, details, found, ended = {}, {}, [], {}
        for subjects in chosen:
            climb, real = self._climbed(scene, ground, subjects, within(scene.progress, done / total, (done + len(subjects.numbers)) / total))
            told = self._measured(scene, ground, subjects, climb, real)
            values[subjects.layer], details[subjects.layer] = climb.inputs.astype(np.float32), told
            found += findings_of(subjects, told, self.budget)
            ended[subjects.layer] = dict(Counter(climb.ends))
            done += len(subjects.numbers)
        shown = {one.layer: f"{len(one.numbers) // self.diversity} of {one.of}" for one in chosen}
        resolved = {**ground.resolved, "ended": ended, "shown": shown, "kind": {one.layer: one.kind for one in chosen}}
        detail_axes = dict.fromkeys(BY_FEATURE, ("feature",)) | {"real": ("real", "feature"), "importance": ("feature", *ground.axes[:-1])}
        return Shown(values, dict.fromkeys(values, ("feature", *ground.axes)), resolved, details, detail_axes, found, scene.inputs[:0])

    def _subjects(self, scene: Scene) -> list[Subjects]:
        if scene.layers is None:
            for name in ("channels", "direction"):
                if getattr(self, name) is not None:
                    raise SettingError(f"{name} are of a layer, and none is named; give layers=[...], of pellucid inspect MODEL.")
            return [output_subjects(scene, self.classes, self.most)]
        if self.classes is not None:
            raise SettingError("classes are of the network's output, and layers of its inside; give one of them.")
        layers = scene.chosen(())
        if self.direction is not None and len(layers) != 1:
            raise SettingError(f"a direction is in the channels of one layer; got {len(layers)} layers.")
        return [layer_subjects(scene, layer, self.channels, self.direction, self.most) for layer in layers]

    def _climbed(self, scene: Scene, ground: Ground, subjects: Subjects, progress: Progress) -> tuple[Ascent, Array]:
        """The climbs of all subjects of a layer, some at a time, and the scores of the real inputs. What comes no higher than they do climbs again from the one
        that excites it most, and the better of both is kept."""
        count = len(subjects.numbers)
        together = max(1, int(TOGETHER // (8 * np.prod(ground.shape))) // self.diversity) * self.diversity
        parts = [np.arange(start, min(start + together, count)) for start in range(0, count, together)]
        share = FIRST if len(ground.real) else 1.0
        first = [
            self._part(scene, ground, subjects, rows, None, within(progress, share * k / len(parts), share * (k + 1) / len(parts)))
            for k, rows in enumerate(parts)
        ]
        climb, real = side_by_side(first), subjects.scores_of_many(scene.model, scene.inputs)
        if not len(real):
            return climb, real
        rows = np.flatnonzero((real.max(axis=0) > real.min(axis=0)) & (_percentile(real, self._scores(scene, ground, subjects, climb)) <= ABOVE_REAL))
        for begun in range(0, len(rows), together):
            some = rows[begun : begun + together]
            start = ground.parameterisation.fitted(ground.real[real[:, some].argmax(axis=0)].astype(np.float64))
            told = within(within(progress, share, 1.0), begun / len(rows), (begun + len(some)) / len(rows))
            again = self._part(scene, ground, subjects, some, start, told)
            both = side_by_side([climb, again])
            scores = self._scores(scene, ground, subjects.taken([*range(count), *some]), both)
            order = np.arange(count)
            better = scores[count:] > scores[some]
            order[some[better]] = count + np.flatnonzero(better)
            climb = both.taken(order)
        progress(1.0)
        return climb, real

    @staticmethod
    def _scores(scene: Scene, ground: Ground, subjects: Subjects, climb: Ascent) -> Array:
        """Of each image in its own subject."""
        every = np.arange(len(subjects.numbers))
        return subjects.scores_of_many(scene.model, as_taken(climb.inputs, ground.channels))[every, every]

    def _part(self, scene: Scene, ground: Ground, subjects: Subjects, rows: Array, start: Array | None, progress: Progress) -> Ascent:
        model, channels = scene.model, scene.model.traits.channels
        layer = facet_layer(model.layers(), None if subjects.layer == "output" else subjects.layer) if self.diversity > 1 else None
        if layer is None and self.diversity > 1:
            raise SettingError("diversity keeps images apart by what a layer answers to them, and this network shows none; leave it at 1.")
        facets = None if layer is None else Facets(model, layer, np.asarray(subjects.numbers)[rows])

        def value(inputs: Array, which: Array) -> tuple[Array, Array]:
            values, gradients = subjects.values_and_gradients(model, inputs, rows[which])
            return values, gradients if facets is None else facets.apart(inputs, which, np.asarray(gradients, np.float64))

        seeds = np.stack([np.asarray(subjects.numbers)[rows], rows % self.diversity], axis=1)
        return ascend(
            model_objective(value, channels),
            ground.parameterisation,
            Plateau(int(self.budget), float(self.tolerance)),
            seeds=seeds,
            moves=moves(self.transformations),
            seed=scene.seed,
            start=start,
            limit=_times(self.variation, ground.real_variation),
            contrast=_times(self.contrast, ground.real_contrast),
            progress=progress,
        )

    def _measured(self, scene: Scene, ground: Ground, subjects: Subjects, climb: Ascent, real: Array) -> dict[str, Array]:
        """What is known of each image beside itself."""
        count = len(subjects.numbers)
        scores = self._scores(scene, ground, subjects, climb)
        each = climb.steps.reshape(-1, *[1] * (climb.importance.ndim - 1))
        told = {
            "number": np.asarray(subjects.numbers, np.int32),
            "facet": (np.arange(count) % self.diversity).astype(np.int32),
            "score": scores,
            "steps": climb.steps.astype(np.int32),
            "end": np.array([ENDS.index(end) for end in climb.ends], np.int32),
            "silent": (~climb.importance.reshape(count, -1).any(axis=1)).astype(np.int32),
            "importance": (climb.importance / each).astype(np.float32),
        }
        if len(real):
            told |= {"real": real.astype(np.float32), "percentile": _percentile(real, scores)}
        if ground.real_variation > 0:
            told["variation"] = total_variation(climb.inputs, ground.reach) / ground.real_variation
        if ground.real_contrast > 0:
            told["contrast"] = contrast(climb.inputs, ground.reach) / ground.real_contrast
        if subjects.kind == "class" and len(subjects.shape) == 1:
            found = _probabilities(scene, ground, subjects, climb.inputs)
            told |= {"probability": found.mean(axis=0), "probability_low": found.min(axis=0)}
        return told


def _times(multiple: float | None, real: float) -> float | None:
    """A limit as a multiple of what real inputs have; None where there is no limit, or they have none."""
    return multiple * real if multiple is not None and real > 0 else None


def _percentile(real: Array, scores: Array) -> Array:
    """The share of real scores (samples, features) that lie below each score (features,), in percent."""
    return np.asarray(100 * (real < scores).mean(axis=0))


def _probabilities(scene: Scene, ground: Ground, subjects: Subjects, images: Array) -> Array:
    """Of each image's own class under fresh transformations, (trials, features)."""
    generator, model = np.random.default_rng([scene.seed, TRIALS]), scene.model
    trials = TRIALS if ground.parameterisation.grid else 1
    found = []
    for _ in range(trials):
        moved = moves(1.0).draw(generator, ground.parameterisation.grid)(images) if trials > 1 else images
        outputs = model.predict(as_taken(moved, ground.channels), logits=model.traits.head is not None)
        found.append(np.exp(log_probabilities(model, outputs))[np.arange(len(images)), list(subjects.numbers)])
    return np.array(found)
