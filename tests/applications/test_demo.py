"""The demonstration: which digits it takes, and (slow) all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid
from pellucid.applications import demo
from pellucid.core.records import Explanation, Inspection
from pellucid.core.view import View
from pellucid.data.dataset import Dataset

CNN_ACCURACY, RNN_ACCURACY = 0.97, 0.93


def held(labels: list[int]) -> Dataset:
    return Dataset("few", "test", np.zeros((len(labels), 2), np.float32), np.array(labels))


def test_choose_takes_right_ones_of_various_classes_then_wrong_ones() -> None:
    outputs = np.eye(4)[[0, 0, 1, 2, 3, 3]]
    assert demo.choose(outputs, held([0, 0, 1, 3, 3, 0]), right=3, wrong=2) == [0, 2, 4, 3, 5]


def test_choose_makes_up_for_missing_wrong_ones() -> None:
    outputs = np.eye(4)[[0, 1, 2, 3]]
    assert demo.choose(outputs, held([0, 1, 2, 3]), right=3, wrong=2) == [0, 1, 2, 3]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(pellucid.PellucidError, match="cannot make the folder"):
        demo.run(tmp_path / "file" / "demo")


@pytest.mark.slow
def test_the_whole_demonstration(tmp_path: Path) -> None:
    result = demo.run(tmp_path / "demo")
    assert result.accuracy["cnn"] >= CNN_ACCURACY
    assert result.accuracy["rnn"] >= RNN_ACCURACY
    assert len(result.digits) >= 6
    records = pellucid.load(result.records)
    explained = [(record.provenance["network"], record.method) for record in records if isinstance(record, Explanation)]
    assert explained == [(network, technique) for network, techniques in demo.NETWORKS.items() for technique in techniques]
    views = {record.provenance["network"]: list(record.values) for record in records if isinstance(record, View)}
    assert views == {"cnn": ["conv2d", "conv2d_1", "conv2d_2"], "rnn": ["lstm"]}
    assert sum(isinstance(record, Inspection) for record in records) == 2
    cnn = next(record for record in records if isinstance(record, Explanation))
    labels = np.asarray(cnn.provenance["labels"])
    assert (cnn.prediction.argmax(axis=1) != labels).any()
    assert result.report.stat().st_size > 100_000
    assert len(result.figures) >= len(explained) * len(result.digits)
    assert all(path.exists() for path in result.networks.values())
    assert len(result.lines()) == 4
    assert [trial.method for trial in result.evaluations] == [method for _, method in explained]
    assert "not checked.</b>" not in result.report.read_text(encoding="utf-8")
