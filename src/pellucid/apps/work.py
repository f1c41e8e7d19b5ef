"""What each command does: check what was asked, open data and model once, call the verbs, write, print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api.explain import explain as explain_samples
from pellucid.api.inspect import inspect as inspect_model
from pellucid.api.quick import judged
from pellucid.api.recommend import CANDIDATES, recommend
from pellucid.api.record import Recorder
from pellucid.api.visualize import visualize as visualize_samples
from pellucid.applications import APPLICATIONS
from pellucid.apps import arguments, console, raw, several, targets
from pellucid.apps.quiet import start_for, start_for_settings, start_framework
from pellucid.apps.writing import write
from pellucid.core.errors import InputError, SettingError, UnknownNetworkError, unknown
from pellucid.core.inputs import check_inputs, check_numbers, check_shape
from pellucid.core.model import Model
from pellucid.core.packing import Packing
from pellucid.core.records import Explanation, located
from pellucid.core.scene import DATA, NONE, SAMPLES
from pellucid.data import DATASETS, FEATURES, FILLS
from pellucid.data.chosen import parse_index
from pellucid.data.dataset import Dataset
from pellucid.data.datasets._places import data_from
from pellucid.data.fitting import laid_out
from pellucid.data.load import holds_several, load
from pellucid.data.preprocessing import fitted, save_preprocessing
from pellucid.methods import METHODS
from pellucid.metrics import METRICS
from pellucid.plans.folder import MANIFEST
from pellucid.plans.plan import Plan
from pellucid.plans.running import carry_out
from pellucid.recipes import NETWORKS
from pellucid.store import load as load_records
from pellucid.views import VIEWS

BEST = "best"
"""In place of a method: let the panel choose."""
FIRST = {SAMPLES: "0:6", DATA: ":", NONE: "0:6"}
"""Which samples of the data a view is given where nothing is said."""
CATALOGUES = {
    "methods": METHODS,
    "metrics": METRICS,
    "views": VIEWS,
    "datasets": DATASETS,
    "networks": NETWORKS,
    "features": FEATURES,
    "fills": FILLS,
    "applications": APPLICATIONS,
}


def listing(what: str) -> None:
    """Print one catalogue."""
    if what == "methods":
        console.show_methods(METHODS)
    elif what == "views":
        console.show_views(VIEWS)
    elif what == "metrics":
        console.show_metrics(METRICS)
    else:
        console.show_plain(CATALOGUES[what])


def inspect(path: Path, *, allow_unsafe: bool) -> None:
    """Print what a network is and what serves it."""
    console.show_inspection(inspect_model(open_model(path, allow_unsafe)), path.name)


def explain(
    path: Path,
    data: str,
    method: str,
    index: str,
    out: Path,
    options: Mapping[str, Any],
    pairs: Sequence[str],
    *,
    class_names: str | None,
    resume: Path | None,
    allow_unsafe: bool,
    vary: str | None = None,
    workers: int = 1,
    shard_size: int | None = None,
    evaluate: bool = True,
    preprocessing: str | None = None,
    lang: str = "en",
) -> None:
    """Explain the chosen samples by each method, write the records, print one line per method and sample."""
    folder = arguments.is_folder(out)
    (arguments.check_folder if folder else arguments.check_file)(out)
    arguments.check_language(lang, out)
    names = list(CANDIDATES) if method == BEST else arguments.parse_names(method, METHODS)
    parts = {name: METHODS.load(name) for name in names}
    settings = arguments.parse_settings(pairs, parts)
    varied = arguments.share_vary(vary, parts)
    given_names = arguments.parse_class_names(class_names)
    arguments.check_folder_options(out, {"--workers": workers > 1, "--shard-size": shard_size is not None}, resume)
    earlier = {} if resume is None else _earlier(resume, names)
    given = raw.find(path, preprocessing)
    if given is None:
        model, samples, chosen, opened = _ready(path, data, index, options, allow_unsafe, checked=not folder)
        first = check_inputs(samples.inputs[chosen[:1]], None, data, finite=False)
    else:
        samples, chosen = _samples(data, index, checked=not folder)
        samples = raw.at_rate(samples, given)
        model, first = raw.first_prepared(open_model(path, allow_unsafe), given, samples.inputs, chosen if folder else chosen[:1])
        opened = raw.opened(options, given) | {"preprocessing": given}
    options = dict(options) | opened
    target, known = targets.settled(options["target"], model, first, given_names, samples.class_names)
    targets.check_length(target, len(chosen))
    options["target"] = targets.of_all(target, chosen, len(samples)) if folder else target
    strict = options.pop("strict")
    shared = {name: given | settings[name] | varied.get(name, {}) for name, given in arguments.share_options(options, parts).items()}
    if method == BEST:
        numbers = samples.inputs[chosen] if given is None else raw.prepared(model, given, samples.inputs[chosen])[1]
        names = [_best(model, numbers, {name: value for name, value in options.items() if name != "preprocessing"} | {"target": target, "class_names": known})]
    if folder:
        told = {"class_names": known, "labels": samples.labels, "network": path.stem, "allow_unsafe": allow_unsafe}
        for name in names:
            rows = samples.inputs if model.packing is None or given is not None else model.packing.unpack(samples.inputs)
            plan = Plan(path, rows, name, index=chosen, shard_size=shard_size, name=data, **told, **shared[name])
            _many(plan, out if len(names) == 1 else out / name, model, workers, strict)
        return
    samples, found = samples.take(chosen), []
    for name in names:
        settings_of_one = shared[name] | {"strict": strict} | ({"resume": earlier[name]} if name in earlier else {})
        record = explain_samples(model, samples.inputs, name, class_names=known, labels=samples.labels, network=path.stem, **settings_of_one)
        found.append(located(record, data, chosen))
    _tell(found, chosen, out, f"{path.name}: {', '.join(names)} on {data}", evaluate, lang)


def _tell(found: Sequence[Explanation], chosen: Sequence[int], out: Path, title: str, evaluate: bool, lang: str) -> None:
    """Write and print explanations; into a report with their verdicts, where these are wanted."""
    trials = judged(found)[0] if evaluate and out.suffix.lower() == ".html" else []
    write([*found, *trials], out, title, evaluate=evaluate, lang=lang)
    console.show_explanations(found, chosen)
    console.show_choices(found, chosen)
    console.show_verdicts(trials, chosen)
    console.written(out)


def _best(model: Model, rows: np.ndarray, options: Mapping[str, Any]) -> str:
    """The method that the panel prefers on the first of the samples; the table is printed."""
    given = {name: value for name, value in options.items() if value is not None and name not in ("tolerance", "max_evaluations", "seed")}
    found = recommend(model, rows if model.packing is None else model.packing.unpack(rows), seed=int(options["seed"]), options=given)
    console.show_recommendation(found)
    return found.best


def _many(plan: Plan, out: Path, model: Model, workers: int, strict: bool) -> None:
    """Carry a plan out into a folder, and print how it ended."""
    there = out.is_dir() and (out / MANIFEST).exists()
    executor = f"processes:{workers}" if workers > 1 else "serial"
    try:
        found = carry_out(plan, out, model, executor=executor, strict=strict)
    except KeyboardInterrupt:
        console.say(f"broken off; what is finished is kept in {out}: the same command goes on with it")
        raise
    console.show_plan(found, going_on=there)
    console.written(out)


def explanations_of(records: Sequence[Any], path: Path) -> list[Explanation]:
    """The explanations among the records of a file; an error where there is none."""
    found = [record for record in records if isinstance(record, Explanation)]
    if not found:
        raise SettingError(f"'{path}' holds no explanation; make some: pellucid explain MODEL DATA --method NAME --out FILE.safetensors")
    return found


def _earlier(path: Path, names: Sequence[str]) -> dict[str, Explanation]:
    """The explanations of a file by method, one for each name."""
    found = {record.method: record for record in load_records(path) if isinstance(record, Explanation)}
    for name in names:
        if name not in found:
            raise SettingError(f"--resume '{path}' holds no explanation by '{name}'; it holds {', '.join(sorted(found)) or 'none'}.")
    return found


def visualize(
    path: Path,
    data: str | None,
    view: str,
    layer: str | None,
    index: str | None,
    out: Path,
    pairs: Sequence[str],
    *,
    allow_unsafe: bool,
    lang: str,
    seed: int = 0,
    class_names: str | None = None,
    preprocessing: str | None = None,
    output: str | None = None,
) -> None:
    """Show the inside of the network, for the chosen samples where the view looks at samples, write the view, print its layers and what was found."""
    arguments.check_file(out, (*arguments.OF_VIEWS, ".svg") if view == "graph" else arguments.OF_VIEWS)
    arguments.check_language(lang, out)
    name, *others = arguments.parse_names(view, VIEWS)
    if others:
        raise SettingError(
            f"--view {view} names {1 + len(others)} views, and each has a file of its own; for a page of some: --all --view {view} --out FILE.html"
        )
    part = VIEWS.load(name)
    settings = arguments.parse_settings(pairs, {name: part})[name]
    start_for_settings(part, settings)
    if data is None and part.looks_at != NONE:
        raise SettingError(f"view '{name}' looks at samples; give DATA: pellucid visualize {path.name} mnist:test --view {name} --out {out.name}")
    model, x, more = (
        (open_model(path, allow_unsafe), None, {}) if data is None else looked_at(path, data, index or FIRST[part.looks_at], preprocessing, allow_unsafe)
    )
    chosen = more.pop("indices", [])
    if class_names is not None:
        more["class_names"] = arguments.parse_class_names(class_names)
    layers = None if layer is None else [one.strip() for one in layer.split(",")]
    found = visualize_samples(model, x, name, layers=layers, network=path.stem, seed=seed, output=output, **more, **settings)
    found = located(found, data, chosen) if data is not None and len(found) == len(chosen) else found
    write([found], out, f"{path.name}: {name}" + (f" on {data}" if data else ""), lang=lang)
    console.show_view(found)
    console.written(out)


def looked_at(path: Path, data: str, index: str, preprocessing: str | None, allow_unsafe: bool) -> tuple[Model, Any, dict[str, Any]]:
    """The model, the chosen samples, and what `visualize` is told of them besides."""
    given = raw.find(path, preprocessing)
    if given is None:
        model, samples, chosen, _ = _ready(path, data, index, {}, allow_unsafe)
        if samples.feature_names and not model.traits.feature_names:
            model.traits = replace(model.traits, feature_names=samples.feature_names)
    else:
        samples, chosen = _samples(data, index)
        samples = raw.at_rate(samples, given)
        model = open_model(path, allow_unsafe)
    samples = samples.take(chosen)
    labels = None if samples.labels is None or np.asarray(samples.labels).dtype.kind not in "iub" else [int(label) for label in samples.labels]
    more = {"labels": labels, "class_names": samples.class_names or None, "indices": chosen}
    return model, samples.inputs, more | ({} if given is None else {"preprocessing": given})


def train(network: str, dataset: str, out: Path, *, epochs: int | None, seed: int, record: Path | None = None, snapshots: bool = False) -> None:
    """Train, save, print the accuracy on what was held out; with a record of the training where one is asked for."""
    from pellucid.recipes import save as saving
    from pellucid.recipes import train as training

    saving.check_goal(arguments.check_file(out, (".keras",)))
    if network not in NETWORKS:
        raise UnknownNetworkError(unknown("network", network, NETWORKS.names()))
    if snapshots and record is None:
        raise SettingError("--snapshots are kept in the record of the training; name its file: --record training.safetensors")
    recorder = None if record is None else Recorder(file=arguments.check_file(record, (".safetensors",), "--record"), snapshots=snapshots)
    start_framework()
    with training.progress_bar(f"training {network} on {dataset}") as progress:
        trained = training.train(network, dataset, epochs=epochs, seed=seed, progress=progress, preprocessing=fitted, recorder=recorder)
    saving.save(trained.model, out)
    held = trained.held_out
    console.say(f"{network} on {held.name}: {trained.accuracy:.1%} of {len(held)} held-out samples right, after {trained.seconds:.0f} s")
    if trained.preprocessing is not None:
        console.say(f"{save_preprocessing(trained.preprocessing, out).name}, beside it, makes the network's numbers of {held.name}")
    console.written(out)
    if recorder is not None and record is not None:
        console.show_findings(recorder.view)
        console.written(record)
        if snapshots:
            data = dataset if dataset in DATASETS else "DATA"
            console.say(f"its path: pellucid visualize {out} {data} --view loss_landscape --set path={record} --out path.html")


def demo(out: Path, *, seed: int) -> None:
    """Run the demonstration and print where its files are and what they say."""
    from pellucid.applications import demo as application
    from pellucid.recipes.train import progress_bar

    arguments.check_folder(out)
    start_framework()
    result = application.run(out, seed=seed, watch=progress_bar, tell=console.say)
    for line in result.lines():
        console.say(line)


def run(application: str, out: Path, *, seed: int, lang: str, quick: bool, data: Path | None) -> None:
    """Run an application and print where its files are and what they say; data sets are looked for in the folder `data` first."""
    from pellucid.recipes.train import progress_bar

    carried_out = APPLICATIONS.load(application)
    arguments.check_folder(out)
    start_framework()
    with data_from(data):
        result = carried_out(out, seed=seed, lang=lang, quick=quick, watch=progress_bar, tell=console.say)
    for line in result.lines():
        console.say(line)


def _ready(
    path: Path, data: str, index: str, options: Mapping[str, Any], allow_unsafe: bool, *, checked: bool = True
) -> tuple[Model, Dataset, list[int], dict[str, Any]]:
    """The model, the data as it takes them, the numbers of the chosen samples, and the options that stand for numbers or data, as such."""
    model = open_model(path, allow_unsafe) if holds_several(data) else None
    if model is not None and len(model.traits.needed) > 1:
        model, samples = several.gathered(model, data)
        return model, samples, parse_index(index, len(samples)), several.opened(options, model.packing)
    samples, chosen = _samples(data, index, checked=checked)
    model = model or open_model(path, allow_unsafe)
    if len(model.traits.needed) > 1:
        takes = ", ".join(model.traits.needed)
        raise InputError(f"'{path.name}' takes {len(model.traits.needed)} inputs, {takes}; give an .npz file that holds an array for each, by its name.")
    samples = _fitting(samples, model, data)
    return model, samples, chosen, opened_for(model, options)


def open_model(path: Path, allow_unsafe: bool) -> Model:
    """The model of a file."""
    start_for(path)
    return adapt(path, allow_unsafe=allow_unsafe)


def _samples(spec: str, index: str, *, checked: bool = True) -> tuple[Dataset, list[int]]:
    """The data of a spec, and the numbers of the chosen samples in it."""
    data = load(spec, checked=checked)
    return data, parse_index("0" if len(data) == 1 and index == "0:6" else index, len(data))


def _fitting(data: Dataset, model: Model, spec: str) -> Dataset:
    """The data, if it has the shape that the model takes or can be given it."""
    data = replace(data, inputs=laid_out(data.inputs, model.traits))
    if model.traits.input_shape is not None:
        check_shape(data.inputs, model.traits.input_shape, spec)
    return data


def rows_of(spec: str, first: int | None) -> np.ndarray:
    """The samples of `DATA` or `DATA[range]` as numbers, at most `first` where no range is given."""
    rows = raw.rows_of(spec, first)
    check_numbers(rows, f"'{arguments.split_range(spec)[0]}'")
    return rows


def opened_for(model: Model, options: Mapping[str, Any], packing: Packing | None = None) -> dict[str, Any]:
    """Options that stand for numbers or data, as such, as the network takes them; `packing` says how its several inputs lie."""
    if packing is not None:
        return several.opened(options, packing)
    return {name: laid_out(value, model.traits) if isinstance(value, np.ndarray) else value for name, value in _opened(options).items()}


def _opened(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that stand for numbers or data, as such."""
    opened: dict[str, Any] = {}
    if (fill := options.get("fill")) is not None:
        opened["fill"] = arguments.number_or_text(fill)
    if (baseline := options.get("baseline")) is not None:
        number = arguments.number_or_text(baseline)
        opened["baseline"] = rows_of(baseline, None).mean(axis=0, keepdims=True) if isinstance(number, str) else number
    if (background := options.get("background")) is not None:
        opened["background"] = rows_of(background, arguments.FIRST_BACKGROUND_ROWS)
    return opened
