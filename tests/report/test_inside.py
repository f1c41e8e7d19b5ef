"""The page of the inside: its graph as SVG, a sheet a layer whatever the views are, what was found and what is not shown; nothing of a name runs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api.inside import RUNS, Looked, look
from pellucid.core.errors import InputError, OutputError, SettingError
from pellucid.core.language import speaking
from pellucid.core.view import FAULT, NOTE, WARNING, Finding, View
from pellucid.report.graph_svg import graph_svg
from pellucid.report.inside import composed, render
from pellucid.report.languages import language
from pellucid.views import VIEWS

EVIL = "<script>alert(1)</script>"
generator = np.random.default_rng(0)
STACK = [Dense(generator.normal(size=(4, 5)), np.zeros(5), "relu"), Dense(generator.normal(size=(5, 3)), np.zeros(3))]
X = generator.normal(size=(40, 4))
NAMES = ("graph", "activation_map", "activation_statistics", "filters", "gradient_flow")


@pytest.fixture(scope="module")
def looked():
    return look(NumpyModel(STACK, (4,), softmax=True), X, labels=[0] * 40, views=NAMES, network="small")


@pytest.fixture(scope="module")
def page(looked) -> str:
    return render(looked, None, 0.0)


@pytest.fixture(scope="module")
def graph() -> View:
    return pellucid.visualize(NumpyModel(STACK, (4,)), view="graph")


def steps() -> View:
    """States of two samples over five steps, and a picture that forms over three epochs."""
    states = np.linspace(-1, 0.5, 2 * 5 * 3).reshape(2, 5, 3)
    maps = np.random.default_rng(1).normal(size=(3, 1, 4, 4, 2))
    details = {"memory": {"maps": maps}, "network": {"frame_epoch": np.array([0, 2, 7])}}
    axes = {"memory": ("sample", "time", "unit")}
    return View(
        "activation_map", {"memory": states}, axes, np.zeros((2, 5, 1)), details=details, detail_axes={"maps": ("frame", "probe", "row", "column", "channel")}
    )


def test_every_layer_has_a_sheet_with_its_numbers(page) -> None:
    assert re.findall(r'<template id="layer-(\d+)">\s*<h2 tabindex="-1">(.*?)</h2>', page) == [("0", "input"), ("1", "dense_0"), ("2", "dense_1")]
    sheet = page.split('<template id="layer-1">')[1].split("</template>")[0]
    assert "<dd>25</dd>" in sheet
    assert "20 (57.1% of the network&#39;s)" in sheet
    assert sheet.count("data-sample=") == 3  # the activations of the three samples
    assert '<button type="button" class="jump" data-to="2">dense_1</button>' in sheet


def test_what_is_not_shown_says_why_and_time_is_told(looked) -> None:
    everything = look(NumpyModel(STACK, (4,), softmax=True), X, views=["graph", "recurrent_state", "attention"])
    assert set(everything.missing) == {"recurrent_state", "attention"}
    page = render(everything, None, 0.0)
    assert "needs a recurrent layer; this network has none" in page
    assert set(everything.seconds) == {view.view for view in everything.views}
    assert re.search(r"<b>made in</b> [\d,.]+ s", page)


def test_a_view_that_breaks_does_not_end_the_others(monkeypatch) -> None:
    def broken(self, scene):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(VIEWS.load("filters"), "show", broken)
    found = look(NumpyModel(STACK, (4,)), X, views=["graph", "filters", "activation_map"])
    assert [view.view for view in found.views] == ["graph", "activation_map"]
    assert found.missing == {"filters": "ZeroDivisionError: planted"}


def test_the_same_page_from_records_as_from_the_network(tmp_path) -> None:
    model, wanted = NumpyModel(STACK, (4,), softmax=True), ("graph", "activation_map", "attention")
    file = pellucid.inside(model, X, tmp_path / "inside.safetensors", views=wanted, network="small")
    page = pellucid.inside(model, X, tmp_path / "page.html", views=wanted, network="small", records=tmp_path / "kept.safetensors").read_text()
    assert (tmp_path / "kept.safetensors").read_bytes() == file.read_bytes()
    untimed = render(replace(look(model, X, views=wanted, network="small"), seconds={}))
    for given in (file, str(file), [file], pellucid.load(file)):
        assert pellucid.inside(given, path=tmp_path / "inside.html").read_text() == untimed  # to the byte, and views that are missing with their reasons
    assert untimed.split('<template id="network">')[1] == page.split('<template id="network">')[1]
    assert "needs attention layers" in untimed


def test_records_are_shown_as_they_are(looked, tmp_path) -> None:
    with pytest.raises(SettingError, match="x, samples can say nothing"):
        pellucid.inside(looked.views, X, tmp_path / "none.html", samples=[1])
    with pytest.raises(OutputError, match=r"should end in \.html"):
        pellucid.inside(looked.views, path=tmp_path / "none.png")
    with pytest.raises(OutputError, match=r"the records end in \.safetensors"):
        pellucid.inside(looked.views, path=tmp_path / "none.html", records=tmp_path / "none.npz")
    other = replace(looked.views[0], provenance={**looked.views[0].provenance, "network": "other", "fingerprint": "1f"})
    with pytest.raises(InputError, match=r"of 2 networks, small \(numpy\), other \(1f\)"):
        pellucid.inside([*looked.views, other], path=tmp_path / "none.html")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="nothing to show"):
        pellucid.inside([replace(looked.views[0], values={}, details={})], path=tmp_path / "none.html")


def test_samples_are_chosen_and_data_is_gone_through(tmp_path) -> None:
    found = look(NumpyModel(STACK, (4,)), X, samples=[7, 30], views=["activation_map", "activation_statistics"])
    np.testing.assert_array_equal(found.views[0].inputs, X[[7, 30]])
    assert found.views[1].details["dense_0"]["samples"].tolist() == [40]
    for wrong in ([40], [-1], []):
        with pytest.raises(SettingError, match="from 0 to 39"):
            look(NumpyModel(STACK, (4,)), X, samples=wrong)
    with pytest.raises(SettingError, match="activation_mop"):
        look(NumpyModel(STACK, (4,)), X, views=["activation_mop"])
    with pytest.raises(InputError, match="no stream"):
        look(NumpyModel(STACK, (4,)), iter([X]))


def test_samples_are_told_by_their_rows_in_the_whole_data(monkeypatch) -> None:
    from pellucid.report.inside_parts import shown_inputs, thumbs

    def showing(self, scene):
        shown = whole(self, scene)
        return replace(shown, findings=(*shown.findings, Finding("planted", "dense_0", "the worst is sample {sample}", "", {"sample": 2})))

    whole = VIEWS.load("activation_map").show
    monkeypatch.setattr(VIEWS.load("activation_map"), "show", showing)
    many = np.tile(X, (50, 1))
    found = look(NumpyModel(STACK, (4,)), many, samples=[7, 30, 1200], views=["activation_map", "activation_statistics", "filters"], data="a file")
    maps, filters, statistics = found.views
    assert maps.numbers == [7, 30, 1200]
    assert next(str(one) for one in maps.findings if one.code == "planted") == "the worst is sample 1200"
    assert [thumb.text for thumb in thumbs(found.views, shown_inputs(found.views))] == ["sample 7", "sample 30", "sample 1200"]
    rows = statistics.provenance["indices"]
    assert (len(rows), rows[0], rows[-1]) == (1000, 0, 1999)
    assert "indices" not in filters.provenance
    page = render(found)
    assert "3 shown, 1,000 gone through" in page
    assert "<b>data</b> a file" in page


def test_what_a_few_inputs_seemed_to_show_gives_way_to_the_whole_data(graph) -> None:
    def found(view: str, code: str, layer: str, text: str) -> View:
        return View(view, {"dense_0": np.zeros((1, 5))}, {"dense_0": ("sample", "unit")}, X[:1], findings=(Finding(code, layer, text, "", {}, WARNING),))

    few = found("activation_map", "dead units", "dense_0", "dead for one input")
    other = found("activation_map", "dead units", "input", "dead for one input, and not asked of all")
    broken = found("activation_map", "not finite", "dense_0", "no number")
    whole = pellucid.visualize(NumpyModel(STACK, (4,)), X, "activation_statistics")
    whole = replace(whole, findings=(Finding("alive", "dense_0", "alive in the data", "", {}, WARNING),))
    assert [told[1] for _, _, told in composed(Looked((graph, few, other, broken, whole), {}, {})).found] == [
        "dead for one input, and not asked of all",
        "no number",
        "alive in the data",
    ]
    assert [told[1] for _, _, told in composed(Looked((graph, few), {}, {})).found] == ["dead for one input"]


def test_of_layers_that_a_slow_view_left_out_it_is_said_and_how_to_get_it(graph) -> None:
    images = View("top_examples", {"dense_0": np.zeros((1, 1))}, {"dense_0": ("unit", "example")}, X[:0])
    sheets = composed(
        Looked(
            (
                graph,
                replace(images, values={}),
            ),
            {},
            {},
        )
    ).sheets
    assert [sheet.absent for sheet in sheets] == ["", "Top examples", "Top examples"]  # the input has no weights, and nothing to show
    assert sheets[2].commands == ("pellucid visualize MODEL DATA --view top_examples --layer dense_1 --out top_examples.html",)


def test_what_was_looked_at_names_the_layers_where_they_are_few(looked) -> None:
    told = {name: of for name, of, _ in composed(looked).looked}
    assert told["Filters"] == "dense_0, dense_1"
    assert told["The network as a graph"] == "input, dense_0, dense_1"


def test_what_is_of_the_answer_stands_on_the_layer_that_gives_it(graph) -> None:
    classes = View("feature_visualization", {}, {}, X[:0], findings=(Finding("planted", "output", "of the answer", "", {}, NOTE),))
    owned = View("top_examples", {}, {}, X[:0], findings=(Finding("class unit", "dense_1", "a unit of a class", "", {}, NOTE),))  # no news of the answer
    page = composed(Looked((graph, classes, owned), {}, {}))
    assert [sheet.name for sheet in page.sheets if sheet.found] == ["dense_1"]
    assert page.found == (("dense_1", 2, ("note", "of the answer", "")),)  # listed for the whole network too


def test_classes_and_convolutions_are_both_made_features_of() -> None:
    from pellucid.api.inside import _runs

    def made(settings: dict[str, dict[str, object]]) -> list[bool]:
        return [run.layers(model) is None for run in _runs(model, ["feature_visualization"], settings)]

    model = NumpyModel(STACK, (4,), softmax=True)
    assert made({}) == [True]  # no convolution, so that the classes are all
    model.layers = lambda: [replace(NumpyModel.layers(model)[0], kind="Conv2D")]  # type: ignore[method-assign]
    assert made({}) == [True, False]
    assert made({"feature_visualization": {"classes": [0]}}) == [True]
    assert made({"feature_visualization": {"channels": [0]}}) == [False]


@pytest.mark.once
def test_what_was_read_of_a_layer_that_is_used_again_stands_at_its_last_use_and_its_weights_at_the_first() -> None:
    torch = pytest.importorskip("torch")

    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.relu = torch.nn.Linear(4, 4), torch.nn.Linear(4, 3), torch.nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.b(self.relu(self.a(self.a(x)))))

    module = Twice()
    with torch.no_grad():
        module.b.bias.fill_(-1e3)
    found = composed(look(module, X.astype(np.float32), labels=[0] * 40, views=["graph", "activation_map", "activation_statistics", "gradient_flow"]))
    sheets = {sheet.name: sheet for sheet in found.sheets}
    titles = {name: [part.title for part in sheet.parts] for name, sheet in sheets.items()}
    assert titles["relu"] == []
    assert titles["relu (2)"] == ["Activation maps", "Activation statistics"]
    assert titles["a"] == ["Gradient flow"]
    assert titles["a (2)"] == ["Activation maps", "Activation statistics"]
    assert [told[0] for told in sheets["relu (2)"].found] == ["fault"]
    assert not sheets["relu"].found


@pytest.mark.once
def test_of_a_module_that_has_seen_no_input_convolutions_are_found_too() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 2))
    settings = {"feature_visualization": {"budget": 4}, "top_examples": {"count": 1}}
    images = generator.random((6, 1, 6, 6)).astype(np.float32)
    found = look(module, images, views=["feature_visualization", "top_examples"], settings=settings)
    assert [(view.view, list(view.values)) for view in found.views] == [
        ("top_examples", ["0", "3"]),
        ("feature_visualization", ["output"]),
        ("feature_visualization", ["0"]),
    ]


def test_the_bar_says_which_view_is_made_and_which_drawn(monkeypatch) -> None:
    import contextlib

    from pellucid.api import inside as looking
    from pellucid.report import inside as page

    told: list[tuple[float, str]] = []

    @contextlib.contextmanager
    def noted(title, wanted):
        yield lambda fraction, now="": told.append((round(fraction, 2), f"{title}: {now}"))

    monkeypatch.setattr(looking, "progress_after_patience", noted)
    monkeypatch.setattr(page, "progress_after_patience", noted)
    found = look(NumpyModel(STACK, (4,)), X, views=["graph", "activation_map", "filters"])
    render(found, progress=lambda fraction, now="": told.append((fraction, f"drawing: {now}")))
    assert told == [
        (0.0, "looking inside: graph"),
        (0.09, "looking inside: activation_map"),
        (0.55, "looking inside: filters"),
        (0.0, "drawing: activation_map"),
        (0.5, "drawing: filters"),
    ]


def test_the_landscape_of_the_loss_shows_the_path_of_a_recorded_training() -> None:
    weights = np.eye(4, 3)
    model = NumpyModel([Dense(weights, np.zeros(3))], (4,), softmax=True)
    generator = np.random.default_rng(0)
    with pellucid.Recorder(model, X[:4], snapshots=True) as recorder:
        for _ in range(3):
            weights += 0.3 * generator.normal(size=weights.shape)
            recorder.epoch(loss=1.0)
    small = {"points": 3, "directions": 1, "samples": 8}
    for given, on_path in (({}, True), ({"dimensions": 1}, False), ({"to": recorder.view}, False)):
        found = look(model, X, labels=[0] * 40, views=["loss_landscape"], settings={"loss_landscape": small | given}, training=[recorder.view])
        assert [view.view for view in found.views] == ["loss_landscape", "training"]
        assert ("path" in found.views[0].details["network"]) == on_path
    bare = replace(recorder.view, provenance={**recorder.view.provenance, "resolved": {}})
    found = look(model, X, labels=[0] * 40, views=["loss_landscape"], settings={"loss_landscape": small}, training=[bare])
    assert "path" not in found.views[0].details["network"]


def test_settings_of_one_view_reach_it() -> None:
    found = look(NumpyModel(STACK, (4,)), X, views=["activation_statistics"], settings={"activation_statistics": {"bins": 7}})
    assert found.views[0].provenance["settings"]["bins"] == 7


def test_every_view_there_is_has_a_place_in_the_table() -> None:
    assert set(VIEWS) - {"training"} == {run.view for run in RUNS}


def test_names_are_shown_as_text(graph) -> None:
    evil = replace(
        graph,
        values={EVIL: graph.values["dense_0"]},
        axes={EVIL: ("quantity",)},
        details={EVIL: graph.details["dense_0"]},
        findings=(Finding(EVIL, EVIL, f"{EVIL} was found", EVIL, {}, WARNING),),
        provenance={"network": EVIL},
    )
    page = render(Looked((evil,), {}, {EVIL: EVIL}))
    assert EVIL not in page
    assert page.count("<script>") == 1
    assert EVIL not in graph_svg(evil)


def test_the_svg_is_well_formed_and_says_each_layer(graph) -> None:
    root = ElementTree.fromstring(graph_svg(graph, marks={"dense_0": WARNING}))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    layers = [part for part in root.iter(f"{space}g") if part.get("class") == "layer"]
    assert [part.get("aria-label") for part in layers] == ["input, Input, 4", "dense_0, Dense, 5, Warning", "dense_1, Dense, 3"]
    assert all(part.get("role") == "button" and part.get("tabindex") == "-1" for part in layers)
    marks = [part.get("class") for part in layers[1].iter(f"{space}path")]
    assert marks == ["mark warning"]
    assert not list(layers[2].iter(f"{space}path"))
    shapes = [re.search(r'class="mark \w+" [^>]* d="([^"]*)"', graph_svg(graph, marks={"dense_0": severity})).group(1) for severity in (WARNING, FAULT)]
    assert shapes[0] != shapes[1]  # to be told apart without colours
    widths = [[float(part.get("width")) for part in layer.iter(f"{space}rect") if part.get("class") == "cost"] for layer in layers]
    assert widths[0] == []
    assert widths[2][0] / widths[1][0] == pytest.approx(15 / 20, abs=0.001)
    other = pellucid.visualize(NumpyModel(STACK, (4,)), X[:1], "activation_map")
    with pytest.raises(SettingError, match="only the view 'graph'"):
        graph_svg(other)


def test_what_goes_over_time_and_over_epochs_is_there_step_by_step(graph) -> None:
    page = render(Looked((steps(),), {}, {}))
    frames = re.findall(r'class="frames"(?: data-sample="(\d)")? data-labels="([^"]*)"', page)
    assert frames == [("0", "1|2|3|4|5"), ("1", "1|2|3|4|5"), ("0", "0|2|7"), ("1", "0|2|7")]
    assert re.findall(r'data-shape="([^"]*)"', page)[:3] == ["5,3", "5,3", "3,4,9"]  # two channels side by side, a line between


def test_levels_of_a_slider_are_the_values() -> None:
    import base64

    from pellucid.report.inside_parts import frames

    ((_, first), *_) = frames(steps(), np.zeros((2, 5, 1)))
    (track,) = first.tracks
    levels = np.frombuffer(base64.b64decode(track.data), np.uint8).reshape(track.shape)
    found = track.low + (levels - 1.0) / 254 * (track.high - track.low)
    np.testing.assert_allclose(found, steps().values["memory"][0], atol=(track.high - track.low) / 500)
    assert (track.low, track.high) == (-1.0, 1.0)  # about zero: of a signed quantity the middle of the scale


def test_no_number_is_no_level() -> None:
    import base64

    from pellucid.report.inside_parts import frames

    broken = steps()
    broken.values["memory"][0, 2, 1] = np.nan
    ((_, first), *_) = frames(broken, np.zeros((2, 5, 1)))
    levels = np.frombuffer(base64.b64decode(first.tracks[0].data), np.uint8).reshape(5, 3)
    assert levels[2, 1] == 0
    assert (levels > 0).sum() == 14


def test_chinese(graph) -> None:
    with speaking(language("zh")):
        page = render(Looked((graph, steps()), {"graph": 1.0}, {}))
    assert '<html lang="zh">' in page
    for english in (
        "What does each channel",
        "Time step",
        "The whole network",
        "fed by",
        "multiply-adds a sample",
        "Choose a layer",
        "What was looked at",
        "How to read",
        "a step of the",
        "worth knowing",
    ):
        assert english not in page


def test_pictures_lose_their_margins_and_nothing_else() -> None:
    from io import BytesIO

    from matplotlib.figure import Figure
    from PIL import Image

    from pellucid.report.inside_parts import DPI, MARGIN, small_png

    figure = Figure(figsize=(200 / DPI, 300 / DPI), facecolor="white")
    sheet = np.full((300, 200, 3), 255, np.uint8)
    sheet[80:100, 50:120] = (200, 30, 40)
    figure.figimage(sheet, origin="upper")
    opened = Image.open(BytesIO(small_png(figure))).convert("RGB")
    assert opened.size == (70 + 2 * MARGIN, 20 + 2 * MARGIN)
    assert opened.getpixel((MARGIN, MARGIN)) == (200, 30, 40)
    assert opened.getpixel((0, 0)) == (255, 255, 255)
    assert Image.open(BytesIO(small_png(Figure(facecolor="white")))).size == (1 + MARGIN, 1 + MARGIN)  # nothing drawn at all


def _chain(count: int) -> NumpyModel:
    return NumpyModel([Dense(np.eye(4), np.zeros(4), "relu") for _ in range(count)], (4,))


def test_of_many_layers_those_with_weights_are_shown_and_less_is_climbed(monkeypatch) -> None:
    from pellucid.api import inside as table

    run = next(one for one in RUNS if one.view == "activation_map")
    small, large = _chain(3), _chain(table.MOST_MAPS + 3)
    assert run.layers(small) == [layer.name for layer in small.layers()]
    assert run.layers(large) == [layer.name for layer in large.layers() if layer.parameters][: table.MOST_MAPS]
    asked: list[int] = []

    def heard(*given, budget: int, **settings):
        asked.append(budget)
        raise InputError("enough")

    monkeypatch.setattr(table, "visualize", heard)
    for model, settings in ((small, {}), (large, {}), (large, {"inversion": {"budget": 7}})):  # the caller's come first
        look(model, X, views=["inversion"], settings=settings)
    assert asked == [256, 128, 7]


def test_a_reason_that_several_views_share_is_said_once() -> None:
    found = look(NumpyModel(STACK, (4,), softmax=True), X, views=["activation_map"])
    same = dict.fromkeys(("filters", "activation_statistics"), "data that cannot be prepared")
    wanted = {name: f"view '{name}' needs the true classes" for name in ("gradient_flow", "loss_landscape")}
    page = composed(replace(found, missing={**same, **wanted, "attention": "has none"}))
    assert page.missing == (
        ("Filters, Activation statistics", "data that cannot be prepared"),
        ("Gradient flow, Loss landscape", "needs the true classes"),
        ("Attention", "has none"),
    )
