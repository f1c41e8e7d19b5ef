"""Which estimator of Shapley values needs how many evaluations: parts and wholes measured against each other, and the tables of the page on the theory.

    python benchmarks/estimators.py            prints the tables
    python benchmarks/estimators.py --write    puts them into docs/theory/shapley-estimators.md as well

Four games: an MLP on 30 columns at its logit and at its probability, gradient-boosted trees on the same columns (a background of 100 rows each), and a digit of
8 × 8 pixels against black. Errors are root mean squares of ‖φ − φ*‖/‖φ*‖ over samples and seeds; φ* is a long run of plain antithetic permutations. One thread.
"""

from __future__ import annotations

import os

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")})

import argparse
import itertools
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError

Array = np.ndarray
Score = Callable[[Array], Array]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "theory" / "shapley-estimators.md"
MARKS = "<!-- estimators: begin -->", "<!-- estimators: end -->"
SAMPLES, SEEDS = 6, 6
BUDGETS = (2000, 4000, 6200, 25_000)
ROUNDS_OF_TRUTH = 500
HIDDEN = (64, 64)
ROUNDING = 1e-9


@dataclass
class Game:
    """A score of rows, samples and a background; `network` where there are gradients."""

    name: str
    score: Score
    samples: Array
    background: Array
    network: NumpyModel | None = None

    @cached_property
    def truth(self) -> Array:
        return np.stack([np.mean([along_orders(self, i, orders(rng, self)).mean(axis=0) for _ in range(self.rounds)], axis=0) for i, rng in self._streams()])

    @property
    def rounds(self) -> int:
        return max(2, ROUNDS_OF_TRUTH * 100 // max(len(self.background), 20))

    def _streams(self) -> Iterable[tuple[int, np.random.Generator]]:
        return ((i, np.random.default_rng((99, i))) for i in range(len(self.samples)))

    def composed(self, i: int, kept: Array, rows: Array) -> Array:
        """Scores of masks (n, m, features) with background rows (n,)."""
        inputs = np.where(kept, self.samples[i], self.background[rows][:, None])
        return self.score(inputs.reshape(-1, kept.shape[-1])).reshape(kept.shape[:2])


def columns() -> tuple[Array, Array, Array]:
    """Breast cancer: training rows, labels, held-out rows, standardised."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(inputs))
    train, held = order[:400], order[400:]
    scaled = ((inputs - inputs[train].mean(axis=0)) / inputs[train].std(axis=0)).astype(np.float32)
    return scaled[train], labels[train], scaled[held]


def network_of(classifier: object) -> NumpyModel:
    """A scikit-learn MLP up to its logits."""
    kernels, biases = classifier.coefs_, classifier.intercepts_  # type: ignore[attr-defined]
    activations = ["relu"] * (len(kernels) - 1) + ["linear"]
    stack = [
        Dense(kernel.astype(np.float64), bias.astype(np.float64), activation) for kernel, bias, activation in zip(kernels, biases, activations, strict=True)
    ]
    return NumpyModel(stack, (kernels[0].shape[0],), batch_size=4096)


def games() -> Iterable[Game]:
    from sklearn.datasets import load_digits
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.neural_network import MLPClassifier

    train, labels, held = columns()
    mlp = MLPClassifier(HIDDEN, random_state=0, max_iter=15).fit(train, labels)
    network = network_of(mlp)
    logit: Score = lambda x: network.predict(x)[:, 0]  # noqa: E731
    yield Game("MLP, logit", logit, held[:SAMPLES], train[:100], network)
    yield Game("MLP, probability", lambda x: 1 / (1 + np.exp(-logit(x))), held[:SAMPLES], train[:100])
    trees = GradientBoostingClassifier(random_state=0).fit(train, labels)
    yield Game("boosted trees, log odds", trees.decision_function, held[:SAMPLES], train[:100])
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    reader = network_of(MLPClassifier((64,), random_state=0, max_iter=60).fit(images[:1200], digits[:1200]))
    for image in images[1210:1211]:
        live = np.flatnonzero(image)
        best = int(reader.predict(image[None])[0].argmax())

        def read(x: Array, live: Array = live, best: int = best) -> Array:
            whole = np.zeros((len(x), 64), np.float32)
            whole[:, live] = x
            return reader.predict(whole)[:, best]

        yield Game(f"digit, {len(live)} pixels, black", read, image[live][None], np.zeros((1, len(live)), np.float32))


def orders(rng: np.random.Generator, game: Game) -> tuple[Array, Array]:
    """One random order for each background row, twenty where there is one: ranks and rows."""
    rows = np.resize(np.arange(len(game.background)), max(len(game.background), 20))
    features = game.samples.shape[1]
    return rng.permuted(np.tile(np.arange(features), (len(rows), 1)), axis=1), rows


def along_orders(game: Game, i: int, drawn: tuple[Array, Array]) -> Array:
    """Contributions (orders, features) along orders and their reverses."""
    ranks, rows = drawn
    sizes = np.arange(ranks.shape[1] + 1)
    kept = ranks[:, None, :] < sizes[None, :, None]
    odd = (game.composed(i, kept, rows) - game.composed(i, ~kept, rows)) / 2
    return np.take_along_axis(np.diff(odd, axis=1), ranks, axis=1)


def in_turn(game: Game, i: int, budget: int, rng: np.random.Generator) -> Array:
    """Antithetic permutations, rows taken in turn in random order."""
    features = game.samples.shape[1]
    pairs = (budget - len(game.background)) // (2 * (features - 1))
    rows = np.resize(rng.permutation(len(game.background)), pairs)
    return along_orders(game, i, (rng.permuted(np.tile(np.arange(features), (pairs, 1)), axis=1), rows)).mean(axis=0)


def midpoint_control(game: Game, i: int, budget: int, rng: np.random.Generator) -> Array:
    """The same with, per row, gradient at the midpoint × difference as a regressor whose mean over all rows is known (coefficient fitted per feature)."""
    if game.network is None:
        return np.full(game.samples.shape[1], np.nan)
    x, rows = game.samples[i], game.background
    control = slopes_at(game, (x + rows) / 2) * (x - rows)
    pairs = (budget - 3 * len(rows)) // (2 * (len(x) - 1))
    chosen = np.resize(rng.permutation(len(rows)), pairs)
    found = along_orders(game, i, (rng.permuted(np.tile(np.arange(len(x)), (pairs, 1)), axis=1), chosen))
    beside = control[chosen] - control[chosen].mean(axis=0)
    slope = (beside * found).sum(axis=0) / np.maximum((beside**2).sum(axis=0), 1e-12)
    return found.mean(axis=0) - slope * (control[chosen].mean(axis=0) - control.mean(axis=0))


def slopes_at(game: Game, points: Array) -> Array:
    from pellucid.core.model import INPUT
    from pellucid.core.target import Target

    target = Target(np.ones((len(points), 1), np.float32), "output", ("0",) * len(points))
    return game.network.gradients(points, target).gradients[INPUT]  # type: ignore[union-attr]


def pooled_kernel(game: Game, i: int, budget: int, rng: np.random.Generator) -> Array:
    """One regression on pairs of complements, rows in turn."""
    features = game.samples.shape[1]
    pairs = (budget - len(game.background)) // 2
    rows = np.resize(np.arange(len(game.background)), pairs)
    return np.mean(regression(game, i, rows[None], rng), axis=0) if pairs > 2 * features else np.full(features, np.nan)


def regression(game: Game, i: int, rows: Array, rng: np.random.Generator) -> Array:
    """Coefficients of a regression for each line of `rows` (regressions, pairs): uniform sizes, the kernel's weights."""
    groups, pairs = rows.shape
    features = game.samples.shape[1]
    sizes = np.stack([np.resize(rng.permutation(np.arange(1, features)), pairs) for _ in range(groups)])
    kept = rng.permuted(np.broadcast_to(np.arange(features), (groups, pairs, features)), axis=2) < sizes[..., None]
    flat, background = kept.reshape(-1, 1, features), rows.ravel()
    odd = ((game.composed(i, flat, background) - game.composed(i, ~flat, background)) / 2).reshape(rows.shape)
    total = game.score(game.samples[i][None])[0] - game.score(game.background)[rows]
    signs = kept - kept.mean(axis=2, keepdims=True)
    left = odd - (kept.mean(axis=2) - 0.5) * total
    weights = 1 / (sizes * (features - sizes))
    information = np.einsum("gpi,gp,gpj->gij", signs, weights, signs)
    moment = np.einsum("gpi,gp,gp->gi", signs, weights, left)
    return np.einsum("gij,gj->gi", np.linalg.pinv(information, hermitian=True, rcond=1e-9), moment) + total.mean(axis=1, keepdims=True) / features


def own(method: str, control: str = "") -> Callable[[Game, int, int, np.random.Generator], Array]:
    """What the package takes, its whole budget spent."""

    def estimate(game: Game, i: int, budget: int, rng: np.random.Generator) -> Array:
        if control and game.network is None:
            return np.full(game.samples.shape[1], np.nan)
        model = game.network if control else lambda x: game.score(x)[:, None]
        settings = {"control": control} if control else {}
        try:
            found = pellucid.explain(
                model, game.samples[i][None], method, target=0, background=game.background, tolerance=0.0, max_evaluations=budget,
                seed=int(rng.integers(1 << 30)), **settings,
            )  # fmt: skip
        except SettingError:
            return np.full(game.samples.shape[1], np.nan)
        return found.values[0]

    return estimate


WHOLES: dict[str, Callable[[Game, int, int, np.random.Generator], Array]] = {
    "antithetic permutations, rows in turn": in_turn,
    "the same, gradient at the midpoint as control": midpoint_control,
    "one regression on pairs of complements, rows in turn": pooled_kernel,
    "`kernel_shap`": own("kernel_shap"),
    "`permutation_shap`, a black box": own("permutation_shap"),
    "`permutation_shap`, gradients asked for": own("permutation_shap", "gradients"),
    "`permutation_shap`, gradients at hand": own("permutation_shap", "auto"),
}


def wholes(everything: Sequence[Game]) -> Iterable[str]:
    """Errors by budget."""
    for game in everything:
        yield f"\n**{game.name}**, {len(game.background)} background row{'s' if len(game.background) > 1 else ''}\n"
        yield "| evaluations | " + " | ".join(f"{budget:,}" for budget in BUDGETS) + " |"
        yield "|---|" + "---|" * len(BUDGETS)
        norms = np.linalg.norm(game.truth, axis=1)
        for name, estimate in WHOLES.items():
            cells = []
            for budget in BUDGETS:
                off = [
                    np.linalg.norm(estimate(game, i, budget, np.random.default_rng((seed, i, budget))) - game.truth[i]) / norms[i]
                    for i in range(len(game.samples))
                    for seed in range(SEEDS if len(game.samples) > 1 else SEEDS * SAMPLES)
                ]
                cells.append("–" if np.isnan(off).any() else f"{np.sqrt(np.mean(np.square(off))):.4f}")
            if set(cells) != {"–"}:
                yield f"| {name} | " + " | ".join(cells) + " |"


def latin(rng: np.random.Generator, count: int, features: int) -> Array:
    """Orders in blocks of as many as features, in which each feature stands once at each place."""
    blocks = []
    for _ in range(-(-count // features)):
        square = (np.arange(features)[:, None] + np.arange(features)[None]) % features
        blocks.append(rng.permutation(features)[square[rng.permutation(features)][:, rng.permutation(features)]])
    return np.concatenate(blocks)[:count]


def orthogonal(rng: np.random.Generator, count: int, features: int) -> Array:
    """Orders of orthogonal directions (Mitchell et al. 2022)."""
    plane = np.linalg.qr(np.column_stack([np.ones(features), rng.normal(size=(features, features - 1))]))[0][:, 1:]
    blocks = [np.linalg.qr(rng.normal(size=(features - 1, features - 1)))[0] @ plane.T for _ in range(-(-count // (features - 1)))]
    return np.concatenate(blocks)[:count].argsort(axis=1).argsort(axis=1)


def sobol(rng: np.random.Generator, count: int, features: int) -> Array:
    from scipy.stats import qmc

    return qmc.Sobol(features, seed=rng).random(count).argsort(axis=1).argsort(axis=1)


def plain(rng: np.random.Generator, count: int, features: int) -> Array:
    return rng.permuted(np.tile(np.arange(features), (count, 1)), axis=1)


def parts(everything: Sequence[Game], rounds: Sequence[int] = (4, 10, 32), repeats: int = 24) -> Iterable[str]:
    """Within one background row: squared errors over those of as many antithetic permutations drawn independently."""
    heads = [f"{game.name}, {count}" for game in everything for count in rounds]
    yield "\n| one row of the background; game, permutations for whose price | " + " | ".join(heads) + " |"
    yield "|---|" + "---|" * len(heads)
    designs = {"Latin squares of orders": latin, "orthogonal orders": orthogonal, "Sobol orders": sobol}
    found: dict[str, list[str]] = {name: [] for name in (*designs, "regression on pairs of complements")}
    for game in everything:
        cells: dict[tuple[str, int], list[float]] = {}
        for i in range(min(2, len(game.samples))):
            for row in {0, len(game.background) // 2}:
                features = game.samples.shape[1]
                rng = np.random.default_rng((5, i, row))
                base = along_orders(game, i, (plain(rng, 6000, features), np.full(6000, row)))
                mean, spread = base.mean(axis=0), base.var(axis=0, ddof=1).sum()
                if spread < ROUNDING * float(mean @ mean):  # no interactions with this row: nothing to compare
                    continue
                for count in rounds:
                    for name, design in designs.items():
                        off = [along_orders(game, i, (design(rng, count, features), np.full(count, row))).mean(axis=0) - mean for _ in range(repeats)]
                        cells.setdefault((name, count), []).append(float(np.square(off).sum(axis=1).mean() / (spread / count)))
                    pairs = np.full((repeats, count * (features - 1)), row)
                    off = regression(game, i, pairs, rng) - mean
                    cells.setdefault(("regression on pairs of complements", count), []).append(float(np.square(off).sum(axis=1).mean() / (spread / count)))
        for (name, _), ratios in cells.items():
            found[name].append(f"{np.median(ratios):.2f}")
    for name, ratios in found.items():
        yield f"| {name} | " + " | ".join(ratios) + " |"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    given = asked.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)  # training that ends early, and Sobol points that are no power of two: both are meant
    everything = list(games())
    lines = []
    for line in itertools.chain(wholes(everything), parts(everything)):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        PAGE.write_text(f"{before}{MARKS[0]}\n" + "\n".join(lines).strip() + f"\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
