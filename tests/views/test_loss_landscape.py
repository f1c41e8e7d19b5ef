"""The landscape of the loss: the known bowl of a quadratic loss, directions by a slow twin, the same numbers on every framework, and weights put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import PellucidError, SettingError, ShapeError, UnknownLayerError, UnsupportedError
from pellucid.core.view import View
from pellucid.store.file import from_bytes, to_bytes
from pellucid.views import _directions
from pellucid.views._directions import filters_of, moved, plane_of, random_direction

Array = np.ndarray
X = np.random.default_rng(7).normal(size=(40, 6)).astype(np.float32)
LABELS = np.arange(40) % 3
BOWL = NumpyModel([Dense(np.random.default_rng(1).normal(size=(6, 2)), np.array([0.3, -0.2]))], (6,))
TRUTH = np.random.default_rng(2).normal(size=(40, 2)).astype(np.float32)


def landscape(model: Any, x: Any = X, labels: Any = LABELS, **settings: Any) -> View:
    return pellucid.visualize(model, x, "loss_landscape", labels=labels, progress=False, **settings)


def bowl(weights: Array, bias: Array) -> float:
    """The quadratic loss itself."""
    return float(np.mean((X.astype(float) @ weights + bias - TRUTH.astype(float)) ** 2))


def direction(model: Any, seed: int, number: int) -> dict[str, list[Array]]:
    return random_direction(model, model.weights(), np.random.default_rng([seed, number]))


# ---- the known bowl -------------------------------------------------------------------------------------------------


def test_a_quadratic_loss_is_the_known_bowl() -> None:
    view = landscape(BOWL, labels=None, truth=TRUTH, points=7, span=2.0, directions=4, seed=3)
    kernel, bias = BOWL.weights()["dense_0"]
    d = [direction(BOWL, 3, k)["dense_0"][0] for k in range(4)]
    across, down = (view.details["network"][name] for name in ("across", "down"))
    wanted = [[bowl(kernel + a * d[0] + b * d[1], bias) for a in across] for b in down]
    np.testing.assert_allclose(view.values["network"], wanted, rtol=1e-10)
    hessian = [2 * np.mean((X.astype(float) @ one) ** 2) for one in d]  # dᵀ H d of a mean of squares
    found = view.details["network"]
    np.testing.assert_allclose(found["curvature"], hessian, rtol=1e-6)
    assert float(found["curvature_mean"]) == pytest.approx(np.mean(hessian))
    assert float(found["curvature_error"]) == pytest.approx(np.std(hessian, ddof=1) / 2)
    assert float(found["loss"]) == pytest.approx(bowl(kernel, bias))
    assert float(found["loss"]) == pytest.approx(view.values["network"][3, 3])
    assert view.axes["network"] == ("row", "column")
    assert "accuracy" not in found


def test_the_minimum_is_found_where_it_lies() -> None:
    design = np.c_[X, np.ones(40)].astype(float)
    best = np.linalg.lstsq(design, TRUTH.astype(float), rcond=None)[0]
    bottom = NumpyModel([Dense(best[:-1], best[-1])], (6,))
    at_bottom = landscape(bottom, labels=None, truth=TRUTH, points=7)
    assert np.unravel_index(at_bottom.values["network"].argmin(), (7, 7)) == (3, 3)
    assert not at_bottom.findings
    d = direction(bottom, 0, 0)["dense_0"][0]
    beside = NumpyModel([Dense(best[:-1] - 0.5 * d, best[-1])], (6,))
    weights = {"dense_0": [best[:-1] + 0.5 * d, best[-1]]}
    line = landscape(beside, labels=None, truth=TRUTH, to=weights, points=9, directions=0)
    place, losses = line.details["network"]["place"], line.values["network"][0]
    assert place[losses.argmin()] == pytest.approx(0.5)
    ends = [bowl(best[:-1] + side * d, best[-1]) for side in (-0.5, 0.5)]
    assert losses[[list(place).index(0), list(place).index(1)]] == pytest.approx(ends)
    assert float(line.details["network"]["barrier"]) == pytest.approx(0.0, abs=1e-9)  # a bowl lies below its chords
    off = landscape(NumpyModel([Dense(best[:-1] - 2 * d, best[-1])], (6,)), labels=None, truth=TRUTH, points=7)
    assert [finding.code for finding in off.findings] == ["not a minimum"]


def test_lines_alone() -> None:
    view = landscape(BOWL, labels=None, truth=TRUTH, dimensions=1, points=5, directions=3)
    kernel, bias = BOWL.weights()["dense_0"]
    wanted = [[bowl(kernel + a * direction(BOWL, 0, k)["dense_0"][0], bias) for a in view.details["network"]["place"]] for k in range(3)]
    np.testing.assert_allclose(view.values["network"], wanted, rtol=1e-10)
    assert view.axes["network"] == ("direction", "place")


def test_a_barrier_between_two_networks_with_exchanged_units() -> None:
    stack = random_stack(3, (6, 8, 3))
    model = NumpyModel(stack, (6,), softmax=True)
    labels = model.predict(X).argmax(axis=1)
    order = np.random.default_rng(0).permutation(8)
    exchanged = {"dense_0": [stack[0].weights[:, order], stack[0].bias[order]], "dense_1": [stack[1].weights[order], stack[1].bias]}
    view = landscape(model, labels=labels, to=exchanged, directions=0)
    losses, place = view.values["network"][0], view.details["network"]["place"]
    assert losses[list(place).index(0)] == pytest.approx(losses[list(place).index(1)])
    assert [finding.code for finding in view.findings] == ["barrier"]
    assert float(view.details["network"]["barrier"]) == pytest.approx(losses[(place >= 0) & (place <= 1)].max() - losses[list(place).index(0)])


# ---- directions -----------------------------------------------------------------------------------------------------


def test_each_filter_of_a_direction_is_as_long_as_the_networks_own(small_cnn: Any) -> None:
    model = adapt(small_cnn)
    weights, found = model.weights(), direction(adapt(small_cnn), 0, 0)
    for name, arrays in weights.items():
        for own, drawn in zip(arrays, found[name], strict=True):
            if own.ndim == 1:
                assert not drawn.any()
                continue
            for unit in range(own.shape[-1]):  # the paper's words, one filter at a time
                assert np.linalg.norm(drawn[..., unit]) == pytest.approx(np.linalg.norm(own[..., unit]), rel=1e-5)
            assert abs(np.corrcoef(own.ravel(), drawn.ravel())[0, 1]) < 0.5


def norms(kind: str, arrays: list[Array], place: int, native: bool) -> Any:
    found = filters_of(kind, arrays, place, native)
    if found is None:
        return None
    order, within = found
    return np.sqrt(np.square(arrays[place].transpose(order)).sum(axis=within)).shape


def test_what_a_filter_is_in_each_kind_of_layer() -> None:
    def zeros(*shapes: tuple[int, ...]) -> list[Array]:
        return [np.zeros(shape) for shape in shapes]

    assert norms("Dense", zeros((5, 7)), 0, False) == norms("Linear", zeros((7, 5)), 0, True) == (7,)
    assert norms("Conv2D", zeros((3, 3, 4, 8)), 0, False) == norms("Conv2d", zeros((8, 4, 3, 3)), 0, True) == (8,)
    assert norms("Conv2DTranspose", zeros((3, 3, 8, 4)), 0, False) == norms("ConvTranspose2d", zeros((4, 8, 3, 3)), 0, True) == (8,)
    assert norms("DepthwiseConv2D", zeros((3, 3, 4, 2)), 0, False) == (4, 2)
    assert norms("Conv2d", zeros((8, 1, 3, 3)), 0, True) == (8,)
    assert norms("SeparableConv2D", zeros((3, 3, 4, 2), (1, 1, 8, 6)), 1, False) == (6,)
    assert norms("Embedding", zeros((9, 4)), 0, False) == norms("Embedding", zeros((9, 4)), 0, True) == (9,)
    heads = zeros((8, 2, 4), (2, 4), (8, 2, 4), (2, 4), (8, 2, 4), (2, 4), (2, 4, 8), (8,))
    assert [norms("MultiHeadAttention", heads, i, False) for i in range(8)] == [(2, 4), None, (2, 4), None, (2, 4), None, (8,), None]
    gru = zeros((5, 9), (3, 9), (2, 9))
    assert [norms("GRU", gru, i, False) for i in range(3)] == [(9,), (9,), None]
    assert norms("", zeros((1, 6, 4)), 0, True) == (1, 6)
    assert norms("BatchNormalization", zeros((4,)), 0, False) is None


def test_networks_that_differ_in_scale_alone_look_the_same() -> None:
    stack = random_stack(2, (6, 8, 8, 3))
    scaled = [Dense(10 * stack[0].weights, 10 * stack[0].bias, "relu"), stack[1], Dense(stack[2].weights / 10, stack[2].bias)]
    scaled[1] = Dense(stack[1].weights, 10 * stack[1].bias, "relu")
    first, second = (landscape(NumpyModel(one, (6,), softmax=True), points=5) for one in (stack, scaled))
    np.testing.assert_allclose(first.values["network"], second.values["network"], rtol=1e-9)
    np.testing.assert_allclose(first.details["network"]["curvature"], second.details["network"]["curvature"], rtol=1e-6)


@pytest.mark.parametrize("name", ["keras_twin", "torch_mlp", "jax_mlp"])
def test_the_same_numbers_on_every_framework(name: str, oracle: NumpyModel, request: pytest.FixtureRequest) -> None:
    settings: dict[str, Any] = {"points": 5, "directions": 3, "seed": 2, "step": 0.2}
    wanted, found = landscape(oracle, **settings), landscape(request.getfixturevalue(name), **settings)
    np.testing.assert_allclose(found.values["network"], wanted.values["network"], rtol=1e-4)
    np.testing.assert_allclose(found.details["network"]["curvature"], wanted.details["network"]["curvature"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.details["network"]["accuracy"], wanted.details["network"]["accuracy"])


def test_a_convolution_gets_the_same_direction_in_keras_and_torch(small_cnn: Any, torch_cnn: Any) -> None:
    theirs, ours = adapt(torch_cnn), adapt(small_cnn)
    theirs.meet(np.zeros((1, 1, 12, 12), np.float32))
    found, wanted = direction(theirs, 0, 1), direction(ours, 0, 1)
    for name in ("conv_a", "conv_b"):
        np.testing.assert_allclose(found[name][0].transpose(2, 3, 1, 0), wanted[name][0], rtol=1e-5, atol=1e-6)


# ---- a path ---------------------------------------------------------------------------------------------------------


def steps(model: NumpyModel, count: int) -> list[dict[str, list[Array]]]:
    """A path that lies in a known plane but for a little."""
    generator = np.random.default_rng(5)
    own = model.weights()
    far, near, off = ({name: [generator.normal(size=array.shape) for array in arrays] for name, arrays in own.items()} for _ in range(3))
    times = np.linspace(1, 0, count)
    return [
        {
            name: [array + t * far[name][i] + 0.4 * np.sin(3 * t) * near[name][i] + 0.01 * t * (1 - t) * off[name][i] for i, array in enumerate(arrays)]
            for name, arrays in own.items()
        }
        for t in times
    ]


def flat(weights: Any) -> Array:
    return np.concatenate([np.ravel(array) for arrays in weights.values() for array in arrays])


def test_the_plane_of_a_path_is_that_of_its_principal_components(oracle: NumpyModel) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    path = steps(oracle, 6)
    plane = plane_of(oracle, _directions.Path.of(path))
    rows = np.array([flat(one) - flat(path[-1]) for one in path])
    pca = decomposition.PCA(2).fit(rows)
    ours = np.array([flat(one) for one in plane.directions])
    np.testing.assert_allclose(np.abs(ours @ pca.components_.T), np.eye(2), atol=1e-8)
    np.testing.assert_allclose(plane.shares, pca.explained_variance_ratio_, rtol=1e-8)
    np.testing.assert_allclose(plane.places, rows @ ours.T, atol=1e-8)
    assert plane.places[-1] == pytest.approx([0, 0])
    assert (plane.places[0] <= 0).all()


def test_a_path_and_the_losses_along_it(oracle: NumpyModel) -> None:
    path = steps(oracle, 6)
    view = landscape(oracle, path=list(enumerate(path, 10)), points=5, directions=2)
    found = view.details["network"]
    losses = []
    for weights in path:
        with oracle.replaced_weights(weights) as other:
            outputs = other.predict(X, logits=True)
        losses.append(float(np.mean(np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(40), LABELS])))
    np.testing.assert_allclose(found["path_loss"], losses, rtol=1e-9)
    assert list(found["epoch"]) == [10, 11, 12, 13, 14, 15]
    plane = plane_of(oracle, _directions.Path.of(path))
    at = moved(path[-1], plane.directions, (found["across"][1], found["down"][4]))
    with oracle.replaced_weights(at) as other:
        outputs = other.predict(X, logits=True)
    assert view.values["network"][4, 1] == pytest.approx(float(np.mean(np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(40), LABELS])))
    assert found["across"][0] < found["path"][:, 0].min() < found["path"][:, 0].max() < found["across"][-1]
    assert view.provenance["settings"]["path"] == "6 sets of weights"


def test_a_record_of_a_training_is_a_path() -> None:
    weights = np.eye(2)
    model = NumpyModel([Dense(weights, np.zeros(2))], (2,), softmax=True)
    generator = np.random.default_rng(0)
    with pellucid.Recorder(model, np.ones((4, 2)), snapshots=True) as recorder:
        for _ in range(5):
            weights += 0.3 * generator.normal(size=(2, 2))
            recorder.epoch(loss=1.0)
    view = landscape(model, np.eye(2), [0, 1], path=recorder.view, points=3)
    assert list(view.details["network"]["epoch"]) == [0, 1, 2, 3, 4, 5]
    assert float(view.details["network"]["path_loss"][-1]) == pytest.approx(float(view.details["network"]["loss"]), rel=1e-6)


# ---- records and networks, also by their files ----------------------------------------------------------------------


def recorded(model: NumpyModel, weights: Array, *, snapshots: bool = True, epochs: int = 4) -> View:
    generator = np.random.default_rng(0)
    with pellucid.Recorder(model, np.ones((4, 2)), snapshots=snapshots) as recorder:
        for _ in range(epochs):
            weights += 0.3 * generator.normal(size=weights.shape)
            recorder.epoch(loss=1.0)
    return recorder.view


def test_a_file_of_a_record_is_the_same_path(tmp_path: Path) -> None:
    weights = np.eye(2)
    model = NumpyModel([Dense(weights, np.zeros(2))], (2,), softmax=True)
    record = recorded(model, weights)
    file = pellucid.save([pellucid.visualize(model, view="graph"), record], tmp_path / "training.safetensors")
    wanted = landscape(model, np.eye(2), [0, 1], path=record, points=3)
    for given in (file, str(file), pellucid.load(file)):
        view = landscape(model, np.eye(2), [0, 1], path=given, points=3)
        np.testing.assert_array_equal(view.values["network"], wanted.values["network"])
        np.testing.assert_array_equal(view.details["network"]["path"], wanted.details["network"]["path"])
    assert landscape(model, np.eye(2), [0, 1], path=file, points=3).provenance["settings"]["path"] == f"{file}: 5 sets of weights of a recorded training"
    assert not wanted.findings
    start = landscape(model, np.eye(2), [0, 1], to=file, points=3)  # to where the training began
    assert float(start.values["network"][0][-2]) == pytest.approx(float(wanted.details["network"]["path_loss"][0]), rel=1e-5)


def test_a_path_that_is_another_networks_is_said() -> None:
    weights = np.eye(2)
    model = NumpyModel([Dense(weights, np.zeros(2))], (2,), softmax=True)
    record = recorded(model, weights)
    other = NumpyModel([Dense(2 * weights, np.zeros(2))], (2,), softmax=True)
    (finding,) = (one for one in landscape(other, np.eye(2), [0, 1], path=record, points=3).findings if one.code == "path ends elsewhere")
    assert finding.numbers["share"] == pytest.approx(0.5, rel=1e-5)
    wider = NumpyModel([Dense(np.ones((2, 3)), np.zeros(3))], (2,), softmax=True)
    with pytest.raises(ShapeError, match="'path' holds weights of a network of other layers than this one; give the record of this network's own training"):
        landscape(wider, np.eye(2), [0, 1], path=record, points=3)


def test_the_line_to_another_network_whatever_its_layers_are_called(oracle: NumpyModel) -> None:
    stack = random_stack(3, (6, 8, 3))
    one = NumpyModel(stack, (6,), softmax=True)
    other = NumpyModel(random_stack(4, (6, 8, 3)), (6,), softmax=True)
    wanted = landscape(one, to=other.weights(), directions=0)
    renamed = dict(zip(("first", "second"), other.weights().values(), strict=True))
    for given in (other, renamed):
        np.testing.assert_array_equal(landscape(one, to=given, directions=0).values["network"], wanted.values["network"])
    assert other.traits.fingerprint in landscape(one, to=other, directions=0).provenance["settings"]["to"]
    with pytest.raises(ShapeError, match="'to' holds weights of a network of other layers"):
        landscape(one, to=NumpyModel(random_stack(4, (6, 7, 3)), (6,)), directions=0)


def test_a_slope_is_no_barrier() -> None:
    """Losses that rise from one end to the other lie in one valley, however they bend on the way."""
    stack = random_stack(3, (6, 8, 3))
    model = NumpyModel([Dense(6 * stack[0].weights, stack[0].bias, "relu"), stack[1]], (6,), softmax=True)
    labels = model.predict(X).argmax(axis=1)
    view = landscape(model, labels=labels, to={name: [0 * array for array in arrays] for name, arrays in model.weights().items()}, directions=0)
    assert float(view.details["network"]["ridge"]) < 0.1 * float(view.details["network"]["loss"])
    assert not view.findings


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("path", "there is no file"),
        ("to", "known: .keras"),
    ],
)
def test_files_that_are_not_there(setting: str, words: str, oracle: NumpyModel) -> None:
    with pytest.raises(PellucidError, match=f"^{setting} takes .*the record of a training.*: .*{words}"):
        landscape(oracle, **{setting: "nothing"})


def test_records_that_hold_no_path(oracle: NumpyModel, tmp_path: Path) -> None:
    weights = np.eye(2)
    bare = recorded(NumpyModel([Dense(weights, np.zeros(2))], (2,), softmax=True), weights, snapshots=False)
    with pytest.raises(SettingError, match="--snapshots"):
        landscape(oracle, path=bare)
    graph = pellucid.visualize(oracle, view="graph")
    with pytest.raises(SettingError, match="view 'graph' was given, expected that of a training"):
        landscape(oracle, path=graph)
    with pytest.raises(SettingError, match="holds the view 'graph', expected the record of a training"):
        landscape(oracle, path=pellucid.save(graph, tmp_path / "graph.safetensors"))
    for setting in ("path", "to"):
        with pytest.raises(SettingError, match=f"{setting} is a int"):
            landscape(oracle, **{setting: 5})
    with pytest.raises(SettingError, match="For the line to another network's weights: to=network"):
        landscape(oracle, path=oracle)
    with pytest.raises(SettingError, match="does not show its weights"):
        landscape(oracle, to=lambda x: x)


# ---- data, settings, and the network left alone ---------------------------------------------------------------------


def test_batches_of_a_stream_add_up(oracle: NumpyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.api import _data
    from pellucid.views import _truth

    whole = landscape(oracle, points=3)

    def read() -> Iterator[Array]:
        yield from np.split(X, 10)

    monkeypatch.setattr(_truth, "MIXED", 10 * X[0].nbytes)
    monkeypatch.setattr(_data, "MOST_TOGETHER", 4)
    fractions: list[float] = []
    from pellucid.core.scene import Scene
    from pellucid.views.loss_landscape import LossLandscape

    parts = _data.Batches(oracle, read())
    shown = LossLandscape(points=3).show(Scene(oracle, parts.first, labels=LABELS, data=parts, progress=fractions.append))
    np.testing.assert_allclose(shown.values["network"], whole.values["network"], rtol=1e-9)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert whole.provenance["resolved"]["passes"] == 9 + 5 * (3 + 2) + 1


def test_the_seed_settles_all(oracle: NumpyModel) -> None:
    first, again, other = (landscape(oracle, points=3, seed=seed).values["network"] for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes()
    assert not np.allclose(first, other)


def test_chosen_layers_alone_are_moved(oracle: NumpyModel) -> None:
    view = landscape(oracle, points=3, layers=["dense_1"])
    own = oracle.weights()
    d = [random_direction(oracle, {"dense_1": own["dense_1"]}, np.random.default_rng([0, k])) for k in range(2)]
    with oracle.replaced_weights(moved(own, d, (1.0, -1.0))) as other:
        outputs = other.predict(X, logits=True)
    assert list(moved(own, d, (1.0, -1.0))) == ["dense_1"]
    assert view.values["network"][0, 2] == pytest.approx(float(np.mean(np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(40), LABELS])))
    with pytest.raises(UnknownLayerError, match="dense_1"):
        landscape(oracle, points=3, layers=["dense_9"])


@pytest.mark.parametrize("name", ["keras_twin", "torch_mlp"])
def test_weights_are_as_before_also_where_it_is_interrupted(name: str, request: pytest.FixtureRequest) -> None:
    network = request.getfixturevalue(name)
    model = adapt(network)
    model.meet(X[:1])
    before = model.weights()
    landscape(network, points=3, directions=1)
    calls = 0

    class Stopped(BaseException):
        """As Ctrl-C is one."""

    own = type(model).predict

    def stops(self: Any, *given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise Stopped
        return own(self, *given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "predict", stops)
        with pytest.raises(Stopped):
            landscape(network, points=3, directions=1)
    for layer, arrays in model.weights().items():
        for now, then in zip(arrays, before[layer], strict=True):
            assert now.tobytes() == then.tobytes()


def test_records_open_again(oracle: NumpyModel) -> None:
    view = landscape(oracle, points=3, path=steps(oracle, 4))
    (back,) = from_bytes(to_bytes([view]))
    assert isinstance(back, View)
    assert np.array_equal(back.details["network"]["path"], view.details["network"]["path"])
    assert np.array_equal(back.values["network"], view.values["network"])


def test_a_loss_that_is_no_number_is_said() -> None:
    model = NumpyModel([Dense(np.full((6, 2), 1e200), np.zeros(2))], (6,))
    with np.errstate(all="ignore"):
        view = landscape(model, labels=None, truth=TRUTH, points=3, directions=0)
    assert [finding.code for finding in view.findings] == ["loss not finite"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"points": 4}, "odd number"),
        ({"dimensions": 3}, "dimensions is 3"),
        ({"span": 0.0}, "above 0"),
        ({"path": [{}, {}], "to": {}}, "either path or to"),
        ({"dimensions": 1, "directions": 0}, "no line to draw"),
        ({"path": [1, 2, 3]}, "sets of weights"),
        ({"loss": "hinge"}, "hinge"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str, oracle: NumpyModel) -> None:
    with pytest.raises(SettingError, match=words):
        landscape(oracle, **settings)


def test_paths_that_have_no_plane_and_models_without_weights(oracle: NumpyModel) -> None:
    own = oracle.weights()
    double = {name: [2 * array for array in arrays] for name, arrays in own.items()}
    with pytest.raises(SettingError, match="3 sets of weights or more"):
        landscape(oracle, path=[own, double])
    with pytest.raises(SettingError, match="on one line"):
        landscape(oracle, path=[own, double, own])
    with pytest.raises(ShapeError, match="dense_0"):
        landscape(oracle, to={"dense_0": [np.zeros((2, 2)), np.zeros(2)]})
    with pytest.raises(UnsupportedError, match="does not show"):
        landscape(adapt(lambda x: x[:, :3]))
