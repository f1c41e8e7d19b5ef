"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it, so that help is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.core.errors import PellucidError

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
"""Set, where the user has not, before a framework is imported: no start-up chatter."""
USAGE_ERROR, INTERRUPTED = 2, 130

app = typer.Typer(
    name="pellucid",
    help="See what a deep network does inside, explain what it decided, and know how far each explanation can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A .keras, .h5, .hdf5 or .onnx file, a SavedModel's folder; with --allow-unsafe a .pt2 file of torch.export or a .pt file of TorchScript.",
    ),
]
Data = Annotated[str, typer.Argument(metavar="DATA", help="mnist:test, file.npz:key, file.npy, an image file; for several inputs file.npz.")]
Index = Annotated[str, typer.Option("--index", metavar="N|A:B|N,N", help="Which samples: 3, 0:6, 0,4,9, or : for all.")]
FileOrFolder = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FILE|DIR",
        help="Report (.html), records (.safetensors), one figure (.png), a table (.csv, .parquet), JSON (.json); or a folder (no suffix), into which "
        "any number of samples is streamed, and which is gone on with where it was broken off.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method, metric or view; may be repeated. METHOD.NAME=VALUE, VIEW.NAME=VALUE: of one."),
]
Preprocessed = Annotated[
    str | None,
    typer.Option("--preprocessing", metavar="FILE|none", help="What makes the network's numbers of DATA; MODEL.preprocessing.json where it lies beside."),
]
Vary = Annotated[
    str | None,
    typer.Option("--vary", metavar="NAME[,NAME]", help="Try other choices of baseline, fill, background, features, score, seed; see docs/choices.md."),
]
Evaluate = Annotated[
    bool, typer.Option("--evaluate/--no-evaluate", help="Whether a report (.html) says if each explanation is worth believing, by a quick panel of metrics.")
]
Language = Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of a report (.html).")]
AllowUnsafe = Annotated[bool, typer.Option("--allow-unsafe", help="Open a model file that runs code of its own. Only for files you trust.")]


class Catalogues(StrEnum):
    """What `pellucid list` can list."""

    METHODS = "methods"
    METRICS = "metrics"
    VIEWS = "views"
    DATASETS = "datasets"
    NETWORKS = "networks"
    FEATURES = "features"
    FILLS = "fills"
    APPLICATIONS = "applications"


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"pellucid {metadata.version('pellucid')}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")] = False) -> None:
    """Options of the program itself."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where report, figures, models and records go.")] = Path("pellucid-demo"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of training and sampling.")] = 0,
) -> None:
    """Train a CNN and an RNN on real digits, explain held-out ones with every technique, write a report."""
    from pellucid.apps import work

    work.demo(out, seed=seed)


@app.command()
def run(
    application: Annotated[str, typer.Argument(metavar="APPLICATION", help="medical, finance, language or image; see `pellucid list applications`.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where report, result.json, networks and records go; pellucid-APPLICATION.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of training and sampling.")] = 0,
    lang: Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of the report.")] = "en",
    quick: Annotated[bool, typer.Option("--quick", help="A try: fewer passes over the data and fewer cases; the report says so.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="A folder with data files of your own, as PELLUCID_DATA; see docs/data-sets.md.")
    ] = None,
) -> None:
    """Carry one application through, from real data to a report that a person of that trade can read."""
    from pellucid.apps import work

    work.run(application, out or Path(f"pellucid-{application}"), seed=seed, lang=lang, quick=quick, data=data)


@app.command()
def train(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Such as cnn, rnn or transformer; see `pellucid list networks`.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Such as mnist, ecg5000, or a file.npz of your own; see `pellucid list datasets`.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.keras", help="Where the trained model goes.")],
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training data; the recipe's own number where left out.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights, order and augmentation.")] = 0,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE.safetensors", help="Where a record of the training goes, for `pellucid report` and `pellucid film`."),
    ] = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="With --record: keep each epoch's weights, for the path in `pellucid visualize … --view loss_landscape`.")
    ] = False,
) -> None:
    """Train a reference network on a data set and save it."""
    from pellucid.apps import work

    work.train(network, dataset, out, epochs=epochs, seed=seed, record=record, snapshots=snapshots)


@app.command()
def film(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="The record of a training: `pellucid train … --record FILE.safetensors`.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.gif", help="The film, an animated GIF.")],
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="Which layer, of those that were pictured; the first where left out.")] = None,
    index: Annotated[int, typer.Option("--index", metavar="N", help="Which sample of those that were pictured.")] = 0,
    what: Annotated[str | None, typer.Option("--what", metavar="NAME", help="maps, states, units or filters; what there is where left out.")] = None,
) -> None:
    """Make a film of a feature forming from the record of a training."""
    from pellucid.apps import filming

    filming.run(record, out, layer=layer, sample=index, what=what)


@app.command()
def explain(
    model: Model,
    data: Data,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME[,NAME]|best", help="See `pellucid list methods`; best: what a panel of metrics prefers here.")
    ],
    out: FileOrFolder,
    index: Index = "0:6",
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="N|NAME|(…)",
            help="A class, the predicted one by default; or as in Python (5, 'verb'), ('4', '9'), (..., 1), [3, 4], {'age': 0}. Repeated: several at once.",
        ),
    ] = None,
    score: Annotated[str | None, typer.Option("--score", help="logit, centered_logit, log_probability, probability or output.")] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="NAME", help="Attribute at a layer, or explain units of it: 'dense[7]', 'conv2d_1[:, :, 5]'.")
    ] = None,
    features: Annotated[
        str | None, typer.Option("--features", metavar="NAME", help="patches:4, superpixels:slic:30, ...; by input image=patches:4,meta=columns.")
    ] = None,
    fill: Annotated[str | None, typer.Option("--fill", metavar="NAME", help="What absent features hold: a number, mean, blur:2, ...")] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", metavar="N|DATA", help="A number, or data such as mnist:train[0] (the samples' mean).")] = None,
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="DATA",
            help="Such as mnist:train[0:50], the first 100 samples by default, or kmeans:20:mnist:train, so many that stand for all.",
        ),
    ] = None,
    tolerance: Annotated[float | None, typer.Option("--tolerance", metavar="T", help="Relative error to stop at; the method's own where left out.")] = None,
    max_evaluations: Annotated[int | None, typer.Option("--max-evaluations", metavar="N", help="Most evaluations a sample.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of sampling.")] = 0,
    class_names: Annotated[str | None, typer.Option("--class-names", metavar="A,B|@FILE", help="Names of the outputs, or a file of them.")] = None,
    vary: Vary = None,
    resume: Annotated[Path | None, typer.Option("--resume", metavar="FILE", help="Records of the same call to go on from, with a smaller tolerance.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a check fails, instead of saying so in the outcome.")] = False,
    evaluate: Evaluate = True,
    preprocessing: Preprocessed = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes, with a folder; each opens the model itself.")] = 1,
    shard_size: Annotated[int | None, typer.Option("--shard-size", metavar="N", min=1, help="Samples a file, with a folder; 100, fewer where large.")] = None,
    settings: Settings = None,
    allow_unsafe: AllowUnsafe = False,
    lang: Language = "en",
) -> None:
    """Explain what a network decided on samples of a data set or file."""
    from pellucid.apps import work

    options: dict[str, Any] = {"target": target or ["predicted"], "score": score, "layer": layer, "features": features, "fill": fill, "baseline": baseline}
    options |= {"background": background, "tolerance": tolerance, "max_evaluations": max_evaluations, "seed": seed, "strict": strict}
    more: dict[str, Any] = {"workers": workers, "shard_size": shard_size, "evaluate": evaluate, "preprocessing": preprocessing, "lang": lang}
    more |= {"class_names": class_names, "resume": resume, "allow_unsafe": allow_unsafe, "vary": vary}
    work.explain(model, data, method, index, out, options, settings or [], **more)


@app.command()
def visualize(
    model: Model,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Report (.html), records (.safetensors) or one figure (.png); of --view graph also .svg."),
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]", help="mnist:test, file.npz:key, file.npy, an image file; a view that looks at none needs none: `pellucid list views`."
        ),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(
            "--view", metavar="NAME", help="See `pellucid list views`, which names their settings; activation_map where left out. With --all some, A,B."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every view that serves the network, as one page (.html): its graph, and all there is by layer.")
    ] = False,
    training: Annotated[
        Path | None, typer.Option("--training", metavar="FILE.safetensors", help="With --all: a record of the training, whose epochs a slider goes through.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records", metavar="FILE.safetensors", help="With --all: keep the records beside the page; `pellucid report FILE --inside` makes it of them."
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME[,NAME]", help="Which layers; the view's own choice where left out.")] = None,
    index: Annotated[
        str | None, typer.Option("--index", metavar="N|A:B|N,N", help="Which samples: 3, 0:6, 0,4,9, or : for all; 0:6 or, for a view of a data set, all.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", metavar="NAME", help="Which of several outputs of a network is read.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all that is drawn.")] = 0,
    class_names: Annotated[str | None, typer.Option("--class-names", metavar="A,B|@FILE", help="Names of the outputs, or a file of them.")] = None,
    preprocessing: Preprocessed = None,
    settings: Settings = None,
    allow_unsafe: AllowUnsafe = False,
    lang: Language = "en",
) -> None:
    """Show what happens inside a network, on samples of a data set or file, or of the network alone."""
    from pellucid.apps import looking, work

    more: dict[str, Any] = {"allow_unsafe": allow_unsafe, "lang": lang, "seed": seed, "class_names": class_names, "preprocessing": preprocessing}
    more["output"] = output
    if everything:
        looking.check(layer)
        looking.run(model, data, index, out, settings or [], views=view, training=training, records=records, **more)
    else:
        looking.check_alone(training, records)
        work.visualize(model, data, view or "activation_map", layer, index, out, settings or [], **more)


@app.command()
def evaluate(
    model: Model,
    records: Annotated[Path, typer.Argument(metavar="RECORDS", help="Records of `pellucid explain … --out FILE.safetensors`.")],
    metrics: Annotated[str | None, typer.Option("--metrics", metavar="NAME[,NAME]", help="See `pellucid list metrics`; a panel where left out.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Report (.html) or records (.safetensors), the explanations included.")] = None,
    features: Annotated[str | None, typer.Option("--features", metavar="NAME", help="What is taken away at a time: patches:4, ...; else as explained.")] = None,
    fill: Annotated[str | None, typer.Option("--fill", metavar="NAME", help="What stands in its place: a number, mean, blur:2, ...")] = None,
    background: Annotated[str | None, typer.Option("--background", metavar="DATA", help="Or data, such as mnist:train[0:50].")] = None,
    truth: Annotated[
        str | None, typer.Option("--truth", metavar="DATA|T,L,B,R", help="Where the reason lies: a mask (file.npy) or a box, ends left out.")
    ] = None,
    draws: Annotated[int, typer.Option("--draws", metavar="N", min=0, help="Random importances to read numbers against chance.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all that is drawn.")] = 0,
    thresholds: Annotated[
        list[str] | None,
        typer.Option("--threshold", metavar="NAME=VALUE", help="Where the verdict turns: level=0.95, similarity=0.5,0.8, change=0.5,1.5; may be repeated."),
    ] = None,
    settings: Settings = None,
    allow_unsafe: AllowUnsafe = False,
    lang: Language = "en",
) -> None:
    """Measure whether explanations deserve belief: faithful, stable, about this network at all; and say so in words."""
    from pellucid.apps import arguments, trust

    chosen = {"draws": draws, "seed": seed, "thresholds": arguments.parse_thresholds(thresholds or [])}
    options = {"features": features, "fill": fill, "background": background, "truth": truth} | chosen
    trust.run(model, records, metrics, out, options, settings or [], allow_unsafe=allow_unsafe, lang=lang)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Records of `pellucid explain … --out FILE.safetensors`.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Others: of another method, network, class or input; or the same file.")],
    method: Annotated[str | None, typer.Option("--method", metavar="NAME[,NAME]", help="Which explanation of the files, or of A and of B.")] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="NAME[,NAME]", help="Which of several targets, or of A and of B.")] = None,
    index: Annotated[str, typer.Option("--index", metavar="N|A:B|N,N", help="Which samples of the records.")] = ":",
    features: Annotated[
        str | None, typer.Option("--features", metavar="NAME", help="What is compared: patches:4, ...; the coarser features of both where left out.")
    ] = None,
    scaled: Annotated[
        bool | None, typer.Option("--scaled/--as-they-are", help="Maps divided by their length, or not; by what their units are where left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="One figure (.png), report (.html), records (.safetensors) or a table (.csv, .parquet).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws behind the interval of the rank agreement.")] = 0,
    lang: Language = "en",
) -> None:
    """Say how two explanations differ: by how much, whether they rank alike, and where they part."""
    from pellucid.apps import comparing

    comparing.run(a, b, method, target, index, out, features=features, scaled=scaled, seed=seed, lang=lang)


@app.command()
def report(
    records: Annotated[list[Path], typer.Argument(metavar="RECORDS", help="Files of records (.safetensors), or folders of `pellucid explain … --out DIR`.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE|DIR", help="One page (.html), or a folder (no suffix): an index, and a page for each case.")],
    lang: Language = "en",
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Heading of the report.")] = None,
    evaluate: Evaluate = True,
    inside: Annotated[
        bool,
        typer.Option("--inside", help="Of views of one network: its graph, and all there is by layer, as `pellucid visualize MODEL DATA --all` writes it."),
    ] = False,
) -> None:
    """Put records into a report that a person of the trade can read, or into a page of the inside of a network."""
    if inside:
        from pellucid.apps import looking

        looking.again(records, out, lang=lang, title=title)
    else:
        from pellucid.apps import reporting

        reporting.run(records, out, lang=lang, title=title, evaluate=evaluate)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="What is explained, and what must hold of it; see docs/checks.md.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where pictures of expectations that were not kept go.")] = Path("pellucid-figures"),
) -> None:
    """Test explanations: exit code 0 where every expectation of the file is kept, 1 where one is not."""
    from pellucid.apps import checking

    raise typer.Exit(checking.run(file, out))


@app.command()
def inspect(model: Model, allow_unsafe: AllowUnsafe = False) -> None:
    """Show a network's layers, shapes and parameters; which methods and views serve it, and why not the others."""
    from pellucid.apps import work

    work.inspect(model, allow_unsafe=allow_unsafe)


@app.command("list")
def list_(what: Annotated[Catalogues, typer.Argument(help="What to list.")]) -> None:
    """List the methods, metrics, views, data sets, networks, features, fills or applications there are."""
    from pellucid.apps import work

    work.listing(what.value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0; 1 where `check` finds an expectation that is not kept; 2 with one line on stderr for a mistake in what was given; 130
    where the user broke off."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        app(args=None if arguments is None else list(arguments), prog_name="pellucid")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except PellucidError as error:
        sys.stderr.write(f"pellucid: {' '.join(str(error).split())}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
