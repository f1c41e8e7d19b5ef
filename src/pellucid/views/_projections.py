"""Rows in the plane: by principal components, t-SNE or UMAP; and the packages that the last two need."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from pellucid.core.errors import MissingExtraError, SettingError, unknown

Array = np.ndarray
PROJECTIONS = ("pca", "tsne", "umap")
PERPLEXITY, UMAP_NEIGHBOURS, START = 30.0, 15, 1e-4
"""Of t-SNE and UMAP, as their packages have them; the deviation of t-SNE's first positions."""
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


def tsne(components: Array, seed: int) -> Array:
    """t-SNE (van der Maaten & Hinton 2008) of principal components (rows, components), begun at the first two; one thread, so that sums are always the same."""
    manifold, limits = _package("tsne"), importlib.import_module("threadpoolctl")
    start = components[:, :2] / (components[:, 0].std() or 1.0) * START
    start = start if start.shape[1] == 2 else np.concatenate([start, np.zeros_like(start)], axis=1)
    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    with limits.threadpool_limits(1):
        made = manifold.TSNE(2, perplexity=perplexity, init=start.astype(np.float32), learning_rate="auto", random_state=seed, n_jobs=1)
        return np.asarray(made.fit_transform(components.astype(np.float32)))


def umap(components: Array, seed: int) -> Array:
    """UMAP (McInnes, Healy & Melville 2018) of principal components (rows, components), with a seed and so in one thread."""
    package = _package("umap")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = package.UMAP(n_components=2, n_neighbors=min(UMAP_NEIGHBOURS, len(components) - 1), random_state=seed, n_jobs=1)
        return np.asarray(made.fit_transform(components.astype(np.float32)))
