"""What stands between what a person gives, a sentence, a row with its units, a photograph, and the numbers that a network takes."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.features import FeatureMap

Array = np.ndarray


class Preprocessing(ABC):
    """How samples as a person gives them become a network's inputs. Settings are the dataclass fields of a subclass, and are plain JSON as a whole, so that a
    preprocessing travels with the network and stands in every record."""

    kind: ClassVar[str]

    @abstractmethod
    def inputs(self, raw: Any) -> Array | dict[str, Array]:
        """The network's inputs for samples as they are given: one array (samples, *shape), or name → array; an error that names the sample where one cannot
        be used."""

    def given(self, raw: Any) -> list[dict[str, Any]] | None:
        """What each sample is for a person, as plain JSON, where the inputs do not show it: `text`; `names` and `data` of its features (`data` as it is read,
        with its unit). None where they do."""
        return None

    def features(self, raw: Any) -> FeatureMap | None:
        """What a person calls one reason, over the inputs (several of them side by side); None where the inputs' own default is right."""
        return None

    def cut(self, features: Any, raw: Any) -> Any:
        """What a person asked for as features of these samples, with what the preprocessing knows of their names, such as the times of windows."""
        return features

    @property
    def joins(self) -> bool:
        """Whether several elements of the inputs can belong to one feature, so that what a gradient method gives them is to be summed."""
        return False

    @property
    def absent(self) -> Any:
        """What stands in the inputs for a feature that is absent, as `fill=` and `baseline=` take it; None where nothing special does."""
        return None

    def restored(self, inputs: Array) -> Array:
        """The inputs as a person would look at them: the way back, as far as there is one."""
        return inputs

    def compared(self, raw: Any) -> Array | dict[str, Array]:
        """Samples as points whose distance says how unlike they are: the inputs, where nothing else is better."""
        return self.inputs(raw)

    def settings(self) -> dict[str, Any]:
        """The settings as plain JSON."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The preprocessing with these settings."""
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in settings:
            if name not in known:
                raise SettingError(f"preprocessing '{cls.kind}' has no setting '{name}'; it has {', '.join(known)}.")
        return cls(**{name: _frozen(value) for name, value in settings.items()})


@dataclass(frozen=True)
class Given:
    """What is told of samples that a preprocessing has been applied to: itself, and each sample as it was given."""

    preprocessing: Preprocessing
    samples: tuple[Mapping[str, Any], ...] | None = None

    def __getitem__(self, rows: Any) -> Given:
        return self if self.samples is None else Given(self.preprocessing, tuple(self.samples[int(row)] for row in rows))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
