"""Shapley values of a table model: the truth by very many permutations, and the peers, each asked for a number of model evaluations a row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Model = Callable[[Array], Array]
Peer = Callable[[Model, Array, Array, int, int], Array]
"""Model from rows to (rows, 1), rows to explain, background, evaluations a row, seed → values (rows, features)."""
CHAINS = 256
"""Permutations that are walked at once: about 8,000 inputs."""


def truth(model: Model, rows: Array, background: Array, evaluations: int, seed: int) -> Array:
    """Antithetic permutations, every background row as often as any other: an estimator that has nothing to do with the package's.

    Its error falls with the root of the evaluations; from two halves with different seeds it can be read off.
    """
    return np.stack([_truth_of(model, row, background, evaluations, np.random.default_rng((seed, i))) for i, row in enumerate(rows)])


def _truth_of(model: Model, row: Array, background: Array, evaluations: int, draw: np.random.Generator) -> Array:
    features = len(row)
    sums, count = np.zeros(features), 0
    absent = np.resize(np.arange(len(background)), CHAINS * len(background))
    for start in range(0, max(evaluations // (2 * (features + 1)), 1), CHAINS):
        fills = background[absent[np.arange(start, start + CHAINS) % len(absent)]]
        ranks = draw.random((CHAINS, features)).argsort(axis=1)
        for ranked in (ranks, features - 1 - ranks):
            present = ranked[:, None, :] < np.arange(features + 1)[None, :, None]
            inputs = np.where(present, row, fills[:, None, :])
            scores = model(inputs.reshape(-1, features)).reshape(CHAINS, features + 1).astype(np.float64)
            sums += np.take_along_axis(np.diff(scores, axis=1), ranked, axis=1).sum(axis=0)
        count += 2 * CHAINS
    return sums / count


def relative(values: Array, exact: Array) -> Array:
    """The relative L2 error of each row."""
    return np.linalg.norm(values - exact, axis=1) / np.linalg.norm(exact, axis=1)


def kernel_explainer(**options: object) -> Peer:
    def explain(model: Model, rows: Array, background: Array, evaluations: int, seed: int) -> Array:
        import shap

        np.random.seed(seed)  # the generator that shap draws from
        explainer = shap.KernelExplainer(lambda x: model(x)[:, 0], background)
        return np.asarray(explainer.shap_values(rows, nsamples=evaluations // len(background), silent=True, **options))

    return explain


def permutation_explainer(model: Model, rows: Array, background: Array, evaluations: int, seed: int) -> Array:
    import shap

    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.PermutationExplainer(lambda x: model(x)[:, 0], masker, seed=seed)
    return np.asarray(explainer(rows, max_evals=max(evaluations // len(background), 2 * rows.shape[1] + 1), silent=True).values)


def shapiq_approximator(name: str, **options: object) -> Peer:
    def explain(model: Model, rows: Array, background: Array, evaluations: int, seed: int) -> Array:
        import shapiq
        from shapiq.approximator.regression import kADDSHAP

        kind = kADDSHAP if name == "kADDSHAP" else getattr(shapiq, name)
        values = []
        for row in rows:
            game = shapiq.MarginalImputer(lambda x: model(x)[:, 0], background, x=row, sample_size=len(background), random_state=seed)
            found = kind(rows.shape[1], random_state=seed, **options).approximate(evaluations // len(background), game)
            values.append([found[(j,)] for j in range(rows.shape[1])])
        return np.array(values)

    return explain


PEERS: dict[str, Peer] = {
    "shap KernelExplainer, default": kernel_explainer(),
    "shap KernelExplainer, l1_reg=False": kernel_explainer(l1_reg=False),
    "shap PermutationExplainer": permutation_explainer,
    "shapiq KernelSHAP": shapiq_approximator("KernelSHAP"),
    "shapiq KernelSHAP, pairing_trick=True": shapiq_approximator("KernelSHAP", pairing_trick=True),
    "shapiq kADDSHAP": shapiq_approximator("kADDSHAP"),
    "shapiq OwenSamplingSV": shapiq_approximator("OwenSamplingSV"),
    "shapiq SVARM": shapiq_approximator("SVARM"),
}
