"""Expectations written in a TOML file: what is explained, how, and what must hold of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.adapters import adapt
from pellucid.api.evaluate import evaluate
from pellucid.api.explain import explain
from pellucid.checks import CHECKS
from pellucid.checks._expectation import Expectation, Result, check_undecided
from pellucid.core.catalogue import build, settings_of
from pellucid.core.errors import DataNotFoundError, FormatError, SettingError, unknown
from pellucid.core.evaluation import Evaluation
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.core.verdict import Thresholds
from pellucid.data.chosen import parse_index
from pellucid.data.fitting import laid_out
from pellucid.data.load import load
from pellucid.store import load as load_records

DEFAULT_METHOD = "integrated_gradients"
KEYS = ("model", "data", "index", "records", "undecided", "allow_unsafe", "explain", "evaluate", "expect")


@dataclass
class CheckFile:
    """One file, read and checked; nothing is explained before `result` asks for it, and what several expectations share is explained once."""

    path: Path
    said: Mapping[str, Any]
    _opened: list[Model] = field(default_factory=list)
    _explained: dict[str, Explanation] = field(default_factory=dict)
    _evaluated: dict[str, Evaluation] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> CheckFile:
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataNotFoundError(f"there is no file '{path}'; check the path.") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise FormatError(f"'{path}' cannot be read as TOML: {error}.") from error
        for key in said:
            if key not in KEYS:
                raise SettingError(f"'{path}': {unknown('key', key, KEYS)}")
        found = cls(path, said)
        if not isinstance(said.get("expect"), list) or not said["expect"]:
            raise SettingError(f'\'{path}\' expects nothing; write at least one table [[expect]] with that = "inside", "verdict" or "change".')
        check_undecided(said.get("undecided", "fail"))
        check_tables(said)
        if ("records" in said) == ("data" in said):
            raise SettingError(f"'{path}' needs either data (and a model), to be explained now, or records, explained before.")
        for number in range(len(found)):
            found.expectation(number)
        found._of_evaluate()
        return found

    def __len__(self) -> int:
        return len(self.said["expect"])

    @property
    def model(self) -> Path | None:
        """Where the network lies that the file names."""
        return Path(self._place(str(self.said["model"]))) if "model" in self.said else None

    def name(self, number: int) -> str:
        """What to call an expectation in a list of tests."""
        given = self.said["expect"][number]
        return str(given.get("name") or f"{given.get('that', 'expect')}-{number + 1}")

    def expectation(self, number: int, *, of_images: bool = True) -> Expectation:
        """One of them, its files opened; four numbers are a box in images, columns or steps elsewhere."""
        given = dict(self.said["expect"][number])
        that = given.pop("that", None)
        if that not in CHECKS:
            raise SettingError(f"'{self.path}', expectation {number + 1}: {unknown('expectation', str(that), CHECKS)}")
        given.pop("explain", None)
        part = CHECKS.load(that)
        if "name" not in settings_of(part):
            given.pop("name", None)
        if isinstance(given.get("since"), str):
            given |= {"name": given.get("name") or given["since"], "since": self._records(given["since"], number)}
        if "truth" in given:
            given["truth"] = self._truth(given["truth"], of_images)
        found: Expectation = build("expectation", that, part, given)
        return found

    def result(self, number: int) -> Result:
        """Explain where that has not been done yet, and look."""
        key, explanation = self._explanation(number)
        expectation = self.expectation(number, of_images=explanation.inputs.ndim == 4)
        if not expectation.needs_evaluation:
            return expectation.check(explanation)
        if key not in self._evaluated:
            self._evaluated[key] = evaluate(self._model(), explanation, **self._of_evaluate())
        return expectation.check(explanation, self._evaluated[key])

    def passes(self, result: Result) -> bool:
        """Whether the file counts it as passed."""
        return result.kept(str(self.said.get("undecided", "fail")))

    def _keywords(self, number: int) -> dict[str, Any]:
        return {"method": DEFAULT_METHOD} | self._said(number)

    def _said(self, number: int) -> dict[str, Any]:
        """The keywords of `explain` that the file gives for an expectation."""
        return dict(self.said.get("explain", {})) | dict(self.said["expect"][number].get("explain", {}))

    def _of_evaluate(self) -> dict[str, Any]:
        """The keywords of `evaluate`, thresholds built from their table."""
        said = dict(self.said.get("evaluate", {}))
        if "thresholds" in said:
            if not isinstance(said["thresholds"], Mapping):
                raise SettingError(f"thresholds must be a table, {{similarity = [0.3, 0.7]}}; got {said['thresholds']!r}.")
            said["thresholds"] = build("table", "evaluate.thresholds", Thresholds, dict(said["thresholds"]))
        return {"progress": False} | said

    def _explanation(self, number: int) -> tuple[str, Explanation]:
        keywords = self._keywords(number)
        key = repr(sorted(keywords.items()))
        if key not in self._explained:
            if "records" in self.said:
                self._explained[key] = self._records(str(self.said["records"]), number)
            else:
                self._explained[key] = self._made(keywords)
        return key, self._explained[key]

    def _made(self, keywords: dict[str, Any]) -> Explanation:
        model = self._model()
        data = load(self._place(str(self.said["data"])))
        data = data.take(parse_index(str(self.said.get("index", ":")), len(data), "index"))
        names = {"class_names": data.class_names} if data.class_names else {}
        return explain(model, laid_out(data.inputs, model.traits), **{"progress": False} | names | keywords)

    def _model(self) -> Model:
        if self.model is None:
            raise SettingError(f"'{self.path}' names no model, which is needed to explain or to evaluate; write model = \"cnn.keras\".")
        if not self._opened:
            self._opened.append(adapt(self.model, allow_unsafe=bool(self.said.get("allow_unsafe", False))))
        return self._opened[0]

    def _records(self, name: str, number: int) -> Explanation:
        """The explanation of a file by the expectation's method; where none is said, the only one there is."""
        method = str(self._keywords(number)["method"])
        found = [one for one in load_records(self._place(name)) if isinstance(one, Explanation)]
        fitting = [one for one in found if one.method == method] or (found if len(found) == 1 and "method" not in self._said(number) else [])
        if not fitting:
            raise SettingError(f"'{name}' holds no explanation by '{method}'; it holds {', '.join(one.method for one in found) or 'none'}.")
        return fitting[0]

    def _truth(self, given: Any, of_images: bool) -> Any:
        """Boxes, names or numbers as they are written; the mask of a file."""
        if isinstance(given, str) and Path(given).suffix in (".npy", ".npz", ".png"):
            return load(self._place(given), checked=False).inputs
        if of_images and isinstance(given, list) and len(given) == 4 and all(isinstance(one, int) for one in given):
            return tuple(given)
        if isinstance(given, list) and given and all(isinstance(one, list) for one in given):
            return [tuple(one) for one in given]
        return set(given) if isinstance(given, list) and given and all(isinstance(one, int) for one in given) else given

    def _place(self, name: str) -> str:
        """A file beside this one, where there is such; else as it is written (a data set, another path)."""
        beside = self.path.parent / name.partition(":")[0]
        return str(self.path.parent / name) if beside.exists() else name


def check_tables(said: Mapping[str, Any]) -> None:
    """Raise unless what must be a table of TOML is one, and each expectation says what it is by a word."""
    for name, value in [("explain", said.get("explain", {})), ("evaluate", said.get("evaluate", {}))]:
        if not isinstance(value, Mapping):
            raise SettingError(f"{name} must be a table of keywords, [{name}]; got {value!r}.")
    for number, one in enumerate(said["expect"]):
        if not isinstance(one, Mapping) or not isinstance(one.get("explain", {}), Mapping) or not isinstance(one.get("that"), str):
            raise SettingError(f'expectation {number + 1} must be a table [[expect]] with that = "inside", "verdict" or "change"; got {one!r}.')
