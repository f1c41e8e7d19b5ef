"""Quantus beside: the same definition in, the same number out; where it defines something else, what and why.

Where they part:

- `PixelFlipping` returns the scores of steps 1, 2, …; its area is the trapezoids under these, of step 0 nothing. Samek et al. average the fall over all steps,
  step 0 too, which is `pixel_flipping` here.
- `Monotonicity` replaces units of the baseline by the baseline, never by the input, so that the score stays and every explanation gets True. Here units are
  put in (Arya et al.), and it is the share of steps that do not fall.
- `MonotonicityCorrelation` divides changes by f(x)², the same for all units; an array of another length is assigned where some |f(x)| is below its `eps`.
- `ROAD` is the accuracy when the most important pixels go first; Rong et al. compare that with the least important first, which is `road` here. It rounds
  numbers of pixels down, here they are rounded. Images of three channels end in an IndexError: it ranks elements and takes them for pixels.
- `Infidelity` takes contributions for sensitivities (Iᵀ Φ with I = x − x' in units of the input), goes on from one block to the next without putting the last
  one back, and has no optimal scaling. Yeh et al. draw each perturbation by itself.
- `Sufficiency` is that of Dasgupta et al. 2022 (whether samples of like explanations have like predictions), not that of ERASER. Quantus has neither that nor
  comprehensiveness.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import claims

import pellucid
from pellucid.core.evaluation import Score
from pellucid.metrics.faithfulness.faithfulness_correlation import FaithfulnessCorrelation
from pellucid.metrics.faithfulness.infidelity import infidelity_of

quantus = pytest.importorskip("quantus")
torch = pytest.importorskip("torch")
Array = np.ndarray
SIDE = 8
DRAW = np.random.default_rng(0)
X = DRAW.random((5, 1, SIDE, SIDE)).astype(np.float32)
VALUES = DRAW.normal(size=X.shape)
PLAIN = {"abs": False, "normalise": False, "disable_warnings": True, "return_aggregate": False}
ROUNDING = 1e-5
"""Of float32."""


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(108, 3)).eval()


def scores(net: Any, x: Array) -> Array:
    with torch.no_grad():
        return np.asarray(net(torch.tensor(x, dtype=torch.float32)).numpy())


def theirs(metric: Any, net: Any, values: Array = VALUES) -> Any:
    classes = scores(net, X).argmax(axis=1)
    return metric(model=net, x_batch=X, y_batch=classes, a_batch=values.copy(), channel_first=True, softmax=False)


def ours(net: Any, metric: str, settings: dict[str, Any]) -> Score:
    return pellucid.evaluate(net, claims(net, X, VALUES), {metric: settings}, draws=0)[metric]


def test_faithfulness_correlation_on_the_same_subsets(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Array] = []
    subsets = FaithfulnessCorrelation._subsets

    def kept(self: Any, present: Array, key: tuple[int, int]) -> tuple[Array, bool]:
        found = subsets(self, present, key)
        taken.append(found[0])
        return found

    monkeypatch.setattr(FaithfulnessCorrelation, "_subsets", kept)
    mine = ours(net, "faithfulness_correlation", {"runs": 30, "size": 20})
    order = iter([taken[sample][run].nonzero()[0] for run in range(30) for sample in range(len(X))])
    with monkeypatch.context() as patched:
        patched.setattr(np.random, "choice", lambda *_, **__: next(order))
        them = theirs(quantus.FaithfulnessCorrelation(nr_runs=30, subset_size=20, perturb_baseline=0.0, **PLAIN), net)
    np.testing.assert_allclose(mine.values, them, atol=ROUNDING)
    assert next(order, None) is None, "it drew less than it was given"


def test_pixel_flipping(net: Any) -> None:
    them = np.array(theirs(quantus.PixelFlipping(features_in_step=1, perturb_baseline=0.0, **PLAIN), net))
    mine = ours(net, "pixel_flipping", {"steps": SIDE**2})
    np.testing.assert_allclose(mine.curves["score"][:, 1:], them, atol=ROUNDING)
    whole = scores(net, X).max(axis=1)
    np.testing.assert_allclose(mine.values, whole - (whole + them.sum(axis=1)) / (SIDE**2 + 1), atol=ROUNDING)


def test_monotonicity_that_every_explanation_passes(net: Any) -> None:
    for values in (VALUES, -VALUES):
        assert theirs(quantus.Monotonicity(features_in_step=1, perturb_baseline=0.0, **PLAIN), net, values) == [True] * len(X)
    mine = ours(net, "monotonicity", {"form": "steps", "steps": SIDE**2}).values
    assert ((mine > 0.2) & (mine < 0.9)).all()


def test_monotonicity_correlation(net: Any) -> None:
    settings = {"eps": 1e-9, "nr_samples": 1, "features_in_step": 1, "perturb_baseline": 0.0}
    them = theirs(quantus.MonotonicityCorrelation(**settings, **(PLAIN | {"abs": True})), net, np.abs(VALUES))
    np.testing.assert_allclose(ours(net, "monotonicity", {}).values, them, atol=1e-3)  # ranks of changes that differ in the last bits of float32


def test_road(net: Any) -> None:
    percentages = [25, 50, 75]
    them = theirs(quantus.ROAD(percentages=percentages, noise=0.0, **PLAIN), net)
    mine = ours(net, "road", {"percentages": tuple(percentages), "noise": 0.0, "read": "accuracy"})
    np.testing.assert_allclose(mine.curves["morf_right"].mean(axis=0), [them[percentage] for percentage in percentages])
    assert 0 < mine.curves["morf_right"].mean() < 1, "a case that decides nothing"


def test_road_of_three_channels_is_served_here_alone() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(108, 3)).eval()
    x = DRAW.random((2, 3, SIDE, SIDE)).astype(np.float32)
    values = DRAW.normal(size=x.shape)
    with pytest.raises(IndexError, match="out of bounds"):
        quantus.ROAD(percentages=[50], **PLAIN)(model=net, x_batch=x, y_batch=np.zeros(2, int), a_batch=values.copy(), channel_first=True)
    assert np.isfinite(pellucid.evaluate(net, claims(net, x, values), "road", draws=0)["road"].values).all()


def test_roads_imputation() -> None:
    from quantus.functions.perturb_func import noisy_linear_imputation

    from pellucid.maths.imputation import imputed

    draw = np.random.default_rng(3)
    for shape in ((3, 7, 7), (1, 5, 9)):
        image, gone = draw.normal(size=shape), draw.permutation(shape[1] * shape[2])[: shape[1] * shape[2] * 2 // 3]
        them = noisy_linear_imputation(image, gone, noise=0.0)
        mask = np.isin(np.arange(shape[1] * shape[2]), gone).reshape(1, *shape[1:])
        np.testing.assert_allclose(imputed(np.moveaxis(image, 0, -1), mask)[0], np.moveaxis(them, 0, -1), atol=1e-10)


def test_infidelity_of_the_same_perturbations(net: Any) -> None:
    them = theirs(quantus.Infidelity(perturb_patch_sizes=[4], n_perturb_samples=1, perturb_baseline=0.0, **PLAIN), net)
    for sample, (x, values) in enumerate(zip(X, VALUES, strict=True)):
        chosen, z, foretold, fall = scores(net, x[None])[0].argmax(), x.copy(), [], []
        for top in (0, 4):
            for left in (0, 4):
                z[:, top : top + 4, left : left + 4] = 0  # one block after the other, none put back
                foretold.append((values * (x - z)).sum())
                fall.append((scores(net, x[None]) - scores(net, z[None]))[0, chosen])
        mine, _ = infidelity_of(np.array(foretold)[:, None], np.array(fall), scaled=False)
        assert mine[0] == pytest.approx(them[sample], rel=1e-4)
