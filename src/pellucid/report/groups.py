"""Which records belong together: one section a network, one part a sample."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.comparison import Comparison
from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Evaluation, Record
from pellucid.core.language import said as _
from pellucid.core.records import Explanation, Inspection
from pellucid.core.view import View

Array = np.ndarray


@dataclass
class SampleGroup:
    """All explanations of one sample by one network: (explanation, row) pairs."""

    number: int
    rows: list[tuple[Explanation, int]] = field(default_factory=list)

    @property
    def first(self) -> tuple[Explanation, int]:
        return self.rows[0]

    @property
    def true(self) -> Any:
        """The true label that a record brings along, as it was given; None where there is none."""
        for explanation, row in self.rows:
            labels = explanation.provenance.get("labels")
            if labels is not None and len(labels) == len(explanation):
                return labels[row]
        return None


@dataclass
class NetworkGroup:
    """All records of one network."""

    name: str
    samples: dict[bytes, SampleGroup] = field(default_factory=dict)
    explanations: list[Explanation] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    inspections: list[Inspection] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """The methods used, in order."""
        return list(dict.fromkeys(explanation.method for explanation in self.explanations))


def sample_key(sample: Array) -> bytes:
    """The same for the same input, also where one network takes it with a channel axis and another without."""
    shape = tuple(size for size in sample.shape if size > 1)
    return hashlib.sha256(str(shape).encode() + np.ascontiguousarray(sample, dtype=np.float64).tobytes()).digest()


def group(records: Sequence[Record]) -> list[NetworkGroup]:
    """Records by network, in the order in which networks first appear, those with explanations first. Evaluations go with the explanation they are of, and
    comparisons, which may be of two networks, stand by themselves."""
    networks: dict[str, NetworkGroup] = {}
    for record in records:
        if not isinstance(record, Record):
            raise SettingError(f"a report takes explanations, views, inspections, evaluations and comparisons, got {type(record).__name__}.")
    shown = [record for record in records if not isinstance(record, (Evaluation, Comparison))]
    names = _names(shown)
    for record in shown:
        key = _fingerprint(record) or _given_name(record)
        into = networks.setdefault(key, NetworkGroup(names.get(key, _("Network"))))
        if isinstance(record, Explanation):
            _add(into, record)
        elif isinstance(record, View):
            into.views.append(record)
        else:
            into.inspections.append(record)
    return sorted(networks.values(), key=lambda found: not found.explanations)


def _add(into: NetworkGroup, explanation: Explanation) -> None:
    into.explanations.append(explanation)
    for row in range(len(explanation)):
        key = sample_key(explanation.inputs[row])
        into.samples.setdefault(key, SampleGroup(len(into.samples) + 1)).rows.append((explanation, row))


def _provenance(record: Explanation | View | Inspection) -> Mapping[str, Any]:
    return {} if isinstance(record, Inspection) else record.provenance


def _fingerprint(record: Explanation | View | Inspection) -> str:
    return record.fingerprint if isinstance(record, Inspection) else str(record.provenance.get("fingerprint") or "")


def _given_name(record: Explanation | View | Inspection) -> str:
    return str(_provenance(record).get("network") or "")


def _names(records: Sequence[Explanation | View | Inspection]) -> dict[str, str]:
    """Network → the name to show: the one given, else the framework's with a number."""
    names: dict[str, str] = {}
    for record in records:
        key = _fingerprint(record) or _given_name(record)
        if _given_name(record):
            names[key] = _given_name(record)
    for record in records:
        key = _fingerprint(record) or _given_name(record)
        framework = record.framework if isinstance(record, Inspection) else str(record.provenance.get("framework") or "")
        names.setdefault(key, _("Network ({framework})").format(framework=framework) if framework else _("Network"))
    return names
