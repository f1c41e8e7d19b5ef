"""LIME: a linear surrogate around one input, with the standard errors of its weights, their order, and the share of variance it explains."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.outcome import Check
from pellucid.maths.coalitions import all_coalitions
from pellucid.maths.ranking import Ranking, rank
from pellucid.maths.regression import Fit, lime_kernel, weighted_regression
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, padded
from pellucid.methods.coalition._surrogate import FIRST_PAIRS, Answer, Group, Run, Settings, go_through

Array = np.ndarray


@dataclass(frozen=True)
class Lime(Method):
    """The weights of a linear model that imitates the network on inputs with some features absent.

    Use it for any model when one wants a simple local stand-in; look at `statistics["r_squared"]` before believing it. Masks z keep each feature with
    probability ½ (drawn in complementary pairs) and are weighted by π(z) = √exp(−d²/kernel_width²), d the cosine distance to the full mask; values are the
    coefficients of the weighted least squares of f on z, with intercept. For a table give `features="columns"` and a `background`: absent columns then hold
    those of its rows, taken in turn. Features equal to their fill are dropped first; where the masks of the others are no more than 128, all are taken
    and the values are exact.

    The same limit is reached with fewer masks by controls, things whose own regression on z is known to be nothing: what pairs of features do together
    (one fill), or how the row of the background departs from their mean (several). `adjusted=False` leaves them out and gives the lime package's
    regression on the masks drawn. `ridge` adds a penalty (the package uses 1; 0 is the limit of many samples).

    Shapes: values and error (samples, features), in units of the score; `error` is the sandwich standard error, clustered by pair. It stops when
    `tolerance` bounds the 95 % quantile of ‖error‖₂/‖values‖₂ *and* the order of the `top` strongest features is settled: at `confidence`, for all of them
    together, each is separated from the next, or tied with it (they differ by no more than tolerance · ‖values‖). The outcome says which. Statistics:
    `r_squared` (with a background, that of the mean over its rows), `intercept`, `top` (features, strongest first), `separated` and `tied` (each of
    them from the next). The outcome warns where R² is below `enough`.
    Source: Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938; stability: Zhou, Hooker, Wang 2021, arXiv:2106.07875. Does not describe the network where the
    surrogate fits poorly, and depends on the kernel.

    >>> import numpy as np, pellucid
    >>> model = lambda x: 2 * x[:, :1] - 3 * x[:, 1:2]
    >>> found = pellucid.explain(model, np.array([[1.0, 1.0]]), "lime", features="columns")
    >>> found.values.round(6), found.statistics["top"]
    (array([[ 2., -3.]]), array([[1, 0]]))
    """

    kernel_width: float = 0.25
    ridge: float = 0.0
    enough: float = 0.7
    top: int = 5
    confidence: float = 0.95
    adjusted: bool = True

    title: ClassVar[str] = "LIME"
    answers: ClassVar[str] = "Which features drive the score in a linear stand-in for the network around this input?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"symmetry"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.1
    default_max_evaluations: ClassVar[int] = 10_000
    citation: ClassVar[str] = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938"

    def __post_init__(self) -> None:
        if not self.kernel_width > 0 or self.ridge < 0 or not 0 <= self.enough <= 1:
            raise SettingError(f"lime needs kernel_width > 0, ridge ≥ 0 and 0 ≤ enough ≤ 1; got {self.kernel_width}, {self.ridge}, {self.enough}.")
        if isinstance(self.top, bool) or not isinstance(self.top, (int, np.integer)) or self.top < 1 or not 0 < self.confidence < 1:
            raise SettingError(f"lime needs a whole number top ≥ 1 and a confidence between 0 and 1; got {self.top!r}, {self.confidence!r}.")

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        settings = Settings(self.kernel_width, self.ridge, self.adjusted, int(self.top), self.confidence)
        runs = [Run(player, *_stored(task, player.sample)) for player in game.players]
        sampled: dict[object, list[Run]] = defaultdict(list)
        for run in runs:
            if self._enumerable(game, run.player):
                run.answer = self._enumerated(game, run.player)
            else:
                _stopping.require(task.max_evaluations, 4 * len(run.player.live) + 4, f"a fit of {len(run.player.live)} weights")
                sampled[_company(game, run.player)].append(run)
        go_through(game, [Group(game, members, settings) for members in sampled.values()])
        return self._attribution(game, runs)

    def _enumerable(self, game: Game, player: Player) -> bool:
        """Whether all masks are no more than sampling begins with; a plain regression and one with a ridge depend on the masks drawn."""
        masks = 2.0 ** len(player.live) * game.rows
        wished = self.adjusted and self.ridge == 0 and masks <= min(2 * FIRST_PAIRS, game.task.max_evaluations)
        return not len(player.live) or wished

    def _enumerated(self, game: Game, player: Player) -> Answer:
        """The surrogate over all masks, each once, the rows of the fill averaged."""
        live = len(player.live)
        if not live:
            return Answer(Fit(np.zeros(0), np.zeros((0, 0)), player.full, 1.0, np.inf), Ranking(np.zeros(0, int), np.zeros(0), np.zeros(0), 0.0), 0.0, True, 0)
        masks = all_coalitions(live)
        asked = (player, np.repeat(masks, game.rows, axis=0), np.tile(np.arange(game.rows), len(masks)))
        scores = game.score([asked])[0].reshape(len(masks), game.rows).mean(axis=1)
        line = weighted_regression(masks, scores, lime_kernel(masks, self.kernel_width))
        fit = Fit(line.coefficients, np.zeros((live, live)), line.intercept, line.r_squared, np.inf)
        ranking = rank(fit.coefficients, fit.covariance, fit.degrees, int(self.top), self.confidence, 0.0)
        return Answer(fit, ranking, 0.0, True, player.evaluations)

    def _attribution(self, game: Game, runs: list[Run]) -> Attribution:
        answers = [run.answer for run in runs if run.answer is not None]
        pairs = list(zip(runs, answers, strict=True))
        errors = np.stack([run.player.spread(np.sqrt(np.maximum(np.diag(answer.fit.covariance), 0)), game.width) for run, answer in pairs])
        top = min(int(self.top), game.width)
        ranked = [_ranked(run.player, answer.ranking, top) for run, answer in pairs]
        return Attribution(
            values=np.stack([run.player.spread(answer.fit.coefficients, game.width) for run, answer in pairs]),
            error=errors,
            error_kind=self.error_kind if any(len(run.scores) for run in runs) else "exact",
            axes=padded(game.features),
            evaluations=np.array([answer.evaluations for answer in answers]),
            gradients=np.zeros(len(runs), dtype=int),
            stops=[self._stop(game, run, answer) for run, answer in pairs],
            degrees=np.array([answer.fit.degrees for answer in answers]),
            statistics={
                "r_squared": np.array([answer.fit.r_squared for answer in answers]),
                "intercept": np.array([answer.fit.intercept for answer in answers]),
                "enough": np.full(len(runs), self.enough),
                "relative_error": np.array([answer.estimate for answer in answers]),
                "top": np.stack([one[0] for one in ranked]),
                "separated": np.stack([one[1] for one in ranked]),
                "tied": np.stack([one[2] for one in ranked]),
            },
            state=_state(runs, answers),
        )

    def _stop(self, game: Game, run: Run, answer: Answer) -> Check:
        """How it ended, and what is known of the order."""
        task, ranking, names = game.task, answer.ranking, game.features.names
        if not len(run.player.live):
            return _stopping.nothing("every feature equals its fill")
        if not len(run.scores):
            ending = _stopping.exact(f"all {2 ** len(run.player.live)} masks of {len(run.player.live)} features that differ from the fill")
        elif answer.converged:
            ending = _stopping.converged(answer.estimate, task.tolerance, answer.evaluations, "evaluations")
        elif answer.estimate > task.tolerance:
            ending = _stopping.exhausted(answer.estimate, task.tolerance, answer.evaluations, "evaluations", 0.5)
        else:
            ending = _unsettled(answer, task.tolerance)
        words = order_in_words([names[feature] for feature in run.player.live[ranking.order]], ranking, int(self.top), self.confidence)
        counts = {"separated": ranking.separated, "tied": ranking.tied, "unsettled": ranking.unsettled}
        numbers = {name: float(which.sum()) for name, which in counts.items()} | {"confidence": self.confidence}
        return replace(ending, text=f"{ending.text} {words}", numbers=dict(ending.numbers) | numbers)


def _company(game: Game, player: Player) -> object:
    """What samples must have in common to go in step: as many live features; with a background the same ones, and the same rows."""
    if game.rows == 1:
        return len(player.live)
    return (tuple(player.live.tolist()), player.sample if len(game.fills) > 1 else 0)


def _stored(task: Task, sample: int) -> tuple[Array, int]:
    """The scores of the pairs that were drawn for a sample before, and how many evaluations they took."""
    if not task.state:
        return np.zeros(0), 0
    return task.state["scores"][sample, : 2 * int(task.state["pairs"][sample])], int(task.state["evaluations"][sample])


def _state(runs: list[Run], answers: list[Answer]) -> dict[str, Array]:
    """Scores in the order of the stream, padded; the masks need not be kept."""
    lengths = [len(run.scores) for run in runs]
    scores = np.full((len(runs), max(lengths)), np.nan)
    for row, run in zip(scores, runs, strict=True):
        row[: len(run.scores)] = run.scores
    return {"scores": scores, "pairs": np.array(lengths) // 2, "evaluations": np.array([answer.evaluations for answer in answers])}


def _ranked(player: Player, ranking: Ranking, top: int) -> tuple[Array, Array, Array]:
    """The strongest features (top,), −1 where there are fewer, and whether each is separated from, or tied with, the next one."""
    features, separated, tied = np.full(top, -1), np.zeros(top, bool), np.zeros(top, bool)
    order, known = ranking.order[:top].astype(int), min(len(ranking.gaps), top)
    features[: len(order)] = player.live[order]
    separated[:known], tied[:known] = ranking.separated[:known], ranking.tied[:known]
    return features, separated, tied


def order_in_words(names: list[str], ranking: Ranking, top: int, confidence: float) -> str:
    """What is known of the order: `names` are those of `ranking.order`, the first `top` of which were asked for.

    >>> from pellucid.maths.ranking import rank
    >>> found = rank(np.array([3.0, 2.0, 1.99, 0.5]), 1e-4 * np.eye(4), 100, 3, 0.95, 0.1)
    >>> order_in_words(["a", "b", "c", "d"], found, 3, 0.95)
    'The strongest, in order at 95 % confidence: a; b and c (tied); the rest.'
    """
    words = [*names[:top], *(f"the next, {name}" for name in names[top:])]
    groups, links = [[words[0]]], [""]
    for place, word in enumerate(words[1:]):
        if ranking.separated[place]:
            groups.append(["the rest" if place + 1 == top else word])
            links.append("")
        else:
            groups[-1].append(word)
            links[-1] = "tied" if ranking.tied[place] and links[-1] in ("", "tied") else "not settled"
    described = [" and ".join(group) + (f" ({link})" if link else "") for group, link in zip(groups, links, strict=True)]
    return f"The strongest, in order at {confidence * 100:.4g} % confidence: {'; '.join(described)}."


def _unsettled(answer: Answer, tolerance: float) -> Check:
    """The stop where the values are precise enough and the order is not."""
    needed = answer.evaluations * answer.ranking.factor()
    return Check(
        "budget_exhausted",
        f"The budget ended after {answer.evaluations} evaluations with the values within {_stopping.percent(answer.estimate)} but their order not settled.",
        f"Raise max_evaluations to about {_stopping.rounded_up(needed):,}, or ask for fewer of the strongest (top=).",
        {"relative_error": answer.estimate, "tolerance": tolerance},
    )
