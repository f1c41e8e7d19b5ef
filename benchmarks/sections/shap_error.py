"""Shapley values of a 30-feature MLP against a background of 100 rows: relative L2 error of each row against very many permutations, as a function of model
evaluations a row. "Black box": a NumPy function. "Gradients": the same MLP as a torch module; a gradient counts as two evaluations. The peers get the NumPy
function. The first game is the one that the bars are measured on; the others show how much depends on the game."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import networks
import pellucid
import shapley
import table
from pellucid.core.errors import SettingError
from reporting import Report
from timing import counting

TITLE = "SHAP: error and evaluations"
PACKAGES = ("shap", "shapiq", "torch")
ROWS = 8
SEEDS = 6
TOLERANCE = 0.05
BUDGETS = (1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 5600, 6200, 7000, 8000, 10_000, 12_500, 16_000, 20_000, 25_000, 32_000, 40_000, 50_000)
MANY = 200_000
MANY_SEEDS = 2
TRUTH = 10_000_000
OURS = (("shap", "black box"), ("shap", "gradients"), ("permutation_shap", "black box"), ("permutation_shap", "gradients"), ("kernel_shap", "black box"))
GAMES = (
    ("early", "probability", "an MLP after 4 epochs, at the probability"),
    ("late", "probability", "after 20 epochs, at the probability"),
    ("late", "logit", "after 20 epochs, at the logit"),
)
BARS = {"black box": 6200, "gradients": 4500}
Array = np.ndarray


@dataclass(frozen=True)
class Game:
    """One model in both forms, and the truth."""

    box: table.Mlp
    module: Any
    score: str
    rows: Array
    background: Array
    exact: Array

    def explain(self, method: str, access: str, seed: int, **options: Any) -> Any:
        model, score = (self.box, "output") if access == "black box" else (self.module, self.score)
        return pellucid.explain(model, self.rows, method, background=self.background, target=0, score=score, seed=seed, **options)


def measure(report: Report) -> None:
    data = table.table()
    rows = data.rows[:ROWS]
    for i, (stage, score, words) in enumerate(GAMES):
        weights = table.weights(stage)
        box = table.Mlp(weights, score)
        exact, again = (shapley.truth(box, rows, data.background, TRUTH // 2, seed) for seed in (0, 1))
        noise = np.median(shapley.relative(exact, again)) / 2
        game = Game(box, pellucid.adapt(networks.table_mlp(weights)), score, rows, data.background, (exact + again) / 2)
        report.say(f"**{words[0].upper()}{words[1:]}**. {ROWS} rows; the truth ({TRUTH:,} evaluations a row) is itself off by about {noise:.4f}.\n")
        found = dict(_ours(report, game, OURS if i == 0 else OURS[:2]))
        peers = dict(_peers(report, game))
        if i == 0:
            _bars(report, found, peers)


def cost(found: Any) -> Array:
    """Evaluations a row, a gradient counting as two."""
    return found.cost.evaluations + found.cost.gradients


def errors(game: Game, method: str, access: str, seeds: int, **options: Any) -> tuple[Array, Array]:
    """Relative error and cost of every row and seed."""
    found = [game.explain(method, access, seed, **options) for seed in range(seeds)]
    return np.concatenate([shapley.relative(one.values, game.exact) for one in found]), np.concatenate([cost(one) for one in found])


def least(game: Game, method: str, access: str) -> float:
    """The smallest cost whose median error is within the tolerance, by bisection of the budgets."""
    found, low, high = float("inf"), 0, len(BUDGETS)
    while low < high:
        middle = (low + high) // 2
        try:
            error, used = errors(game, method, access, SEEDS, tolerance=0.0, max_evaluations=BUDGETS[middle])
            good = bool(np.median(error) <= TOLERANCE)
        except SettingError:
            good = False
        if good:
            found, high = float(np.mean(used)), middle
        else:
            low = middle + 1
    return found


def _ours(report: Report, game: Game, methods: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """Per method and access the least cost for the tolerance, and the error at many evaluations."""
    measured: dict[tuple[str, str], tuple[float, float]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for method, access in methods:
            stopped, used = errors(game, method, access, SEEDS, tolerance=TOLERANCE, max_evaluations=MANY)
            most, _ = errors(game, method, access, MANY_SEEDS, tolerance=0.0, max_evaluations=MANY)
            few = least(game, method, access)
            measured[method, access] = few, float(np.median(most))
            yield (
                f"{method}, {access}",
                f"{few:,.0f}" if np.isfinite(few) else f"> {BUDGETS[-1]:,}",
                f"{np.median(used):,.0f}",
                f"{np.median(stopped):.3f}",
                f"{np.quantile(stopped, 0.95):.3f}",
                f"{np.median(most):.4f}",
            )

    heads = (
        "pellucid",
        "evaluations for a median error of .05",
        f"evaluations at its own stop, tolerance {TOLERANCE:g}",
        "median error there",
        "95 % quantile",
    )
    report.table((*heads, f"error at {MANY:,}"), rows())
    yield from measured.items()


def _peers(report: Report, game: Game) -> Iterator[tuple[str, float]]:
    measured: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, peer in shapley.PEERS.items():
            model, through = counting(game.box)
            error = np.concatenate([shapley.relative(peer(model, game.rows, game.background, MANY, seed), game.exact) for seed in range(MANY_SEEDS)])
            measured[name] = float(np.median(error))
            yield name, f"{through.count / ROWS / MANY_SEEDS:,.0f}", f"{measured[name]:.3f}"

    report.table(("peer", "evaluations a row", "median error"), rows())
    yield from measured.items()


def _bars(report: Report, found: dict[tuple[str, str], tuple[float, float]], peers: dict[str, float]) -> None:
    enough = [name for name, error in peers.items() if error <= TOLERANCE]
    words = f"> {MANY:,}" if not enough else f"≤ {MANY:,}: {', '.join(enough)}; the others more"
    for access, bar in BARS.items():
        few = found["shap", access][0]
        report.bar(f"SHAP, 30-feature MLP, background 100, {access}: evaluations a row for relative error .05", f"≤ {bar:,}", f"{few:,.0f}", words, few <= bar)
    at_many = min(found["shap", access][1] for access in BARS)
    least_error = min(peers, key=lambda name: peers[name])
    here = ", ".join(f"{found['shap', access][1]:.4f} {access}" for access in BARS)
    default = peers["shap KernelExplainer, default"]
    words = f"{peers[least_error]:.3f} ({least_error}) to {max(peers.values()):.2f}; shap's default {default:.2f}"
    report.bar(f"SHAP, same: relative error at {MANY:,} evaluations", "≤ .005", here, words, at_many <= 0.005)
