"""Rows in the plane: by principal components, t-SNE or UMAP; and the packages that the last two need."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import MissingExtraError, SettingError, unknown
from pellucid.core.method import Progress

Array = np.ndarray
PROJECTIONS = ("pca", "tsne", "umap")
PERPLEXITY, UMAP_NEIGHBOURS, START = 30.0, 15, 1e-4
"""Of t-SNE and UMAP, as their packages have them; the deviation of t-SNE's first positions."""
LEAST, FIRST, STAGE, LITTLE = 250, 750, 251, 0.01
"""Iterations of t-SNE that scikit-learn makes at least, those before it is judged, those of each further stage; and the share of its divergence that a stage
must take off for another to follow."""
EXAGGERATION, SLOWER = 12.0, 2.5
"""How much larger similarities are in the first 250 iterations; and by what a stage's momentum of 0.5 goes less far than the 0.8 before it."""
_PACKAGES = {"tsne": ("sklearn.manifold", "scikit-learn"), "umap": ("umap", "umap-learn")}


def check_projection(projection: str) -> None:
    """Raise for an unknown projection, or where its package is not installed, before any work is done."""
    if projection not in PROJECTIONS:
        raise SettingError(unknown("projection", projection, PROJECTIONS))
    if projection in _PACKAGES:
        _package(projection)


def _package(projection: str) -> Any:
    module, package = _PACKAGES[projection]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # umap-learn warns of what else could be installed
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"projection='{projection}' needs {package} ({error}): pip install 'pellucid[embedding]'; 'pca' needs nothing.") from error


@dataclass(frozen=True)
class Descent:
    """Where t-SNE came to: positions (rows, 2), after how many iterations, and whether it had settled by then."""

    plane: Array
    iterations: int
    settled: bool


def tsne(components: Array, seed: int, budget: int, progress: Progress) -> Descent:
    """t-SNE (van der Maaten & Hinton 2008) of principal components (rows, components), begun at the first two; one thread, so that sums are always the same.

    It goes on in stages until one of them takes less than a hundredth off the Kullback-Leiber divergence, or no other is within the budget: scikit-learn's own
    ends, a gradient of 1e-7 or 300 iterations without any progress, are not met in thousands of iterations.
    """
    manifold, limits = _package("tsne"), importlib.import_module("threadpoolctl")
    start = components[:, :2] / (components[:, 0].std() or 1.0) * START
    start = start if start.shape[1] == 2 else np.concatenate([start, np.zeros_like(start)], axis=1)
    rate = max(len(components) / EXAGGERATION / 4, 50.0)  # scikit-learn's "auto"
    given = {"perplexity": min(PERPLEXITY, (len(components) - 1) / 3), "random_state": seed, "n_jobs": 1}
    rows, plane = components.astype(np.float32), start.astype(np.float32)
    before, settled, done = np.inf, False, 0
    with limits.threadpool_limits(1):
        while not settled and done + (STAGE if done else LEAST) <= budget:
            how = {"max_iter": STAGE, "learning_rate": rate * SLOWER, "early_exaggeration": 1.0}
            if not done:
                how = {"max_iter": min(FIRST, budget), "learning_rate": rate, "early_exaggeration": EXAGGERATION}
            made = manifold.TSNE(2, init=plane, **given, **how)
            plane = made.fit_transform(rows)
            done += made.n_iter_ + 1
            settled = made.n_iter_ + 1 < how["max_iter"] or before - made.kl_divergence_ <= LITTLE * before < np.inf
            before = made.kl_divergence_
            progress(done / (done + STAGE))
    return Descent(np.asarray(plane), done, settled)


def umap(components: Array, seed: int) -> Array:
    """UMAP (McInnes, Healy & Melville 2018) of principal components (rows, components), with a seed and so in one thread."""
    package = _package("umap")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = package.UMAP(n_components=2, n_neighbors=min(UMAP_NEIGHBOURS, len(components) - 1), random_state=seed, n_jobs=1)
        return np.asarray(made.fit_transform(components.astype(np.float32)))
