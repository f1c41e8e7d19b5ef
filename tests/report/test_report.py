"""The page says what the records say, of any mix of records, and nothing in them reaches it as markup."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import synthetic
from pellucid.core.errors import OutputError, SettingError
from pellucid.core.outcome import Check, Outcome, Outcomes
from pellucid.core.records import Explained
from pellucid.core.view import View
from pellucid.figures import limits
from pellucid.report import render, report, write_figures
from pellucid.report.groups import group
from pellucid.report.sections import compose
from pellucid.report.words import title_of

METHODS = ("saliency", "gradient_x_input", "smooth_grad", "grad_cam", "integrated_gradients", "lime", "shap")
EVIL = "<script>alert(1)</script>"


def words(page: str) -> str:
    """The page's text without its markup."""
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", body)).split())


@pytest.fixture(scope="module")
def full() -> list:
    """Two networks, two samples, every kind of record, in no helpful order."""
    cnn = [synthetic.explanation(method, 2) for method in METHODS]
    rnn = [synthetic.rnn(synthetic.explanation(method, 2)) for method in ("saliency", "shap")]
    return [synthetic.inspection("RNN"), synthetic.states(), *rnn, synthetic.view(), *cnn, synthetic.inspection()]


@pytest.fixture(scope="module")
def page(full) -> str:
    return render(full)


def test_every_part_is_there(page) -> None:
    text = words(page)
    for wanted in (
        "2 samples",
        "7 methods",
        "2 networks",
        "CNN",
        "RNN",
        "misclassified",
        "correct",
        "The network's layers",
        "Reproduce",
        "How to read this page",
    ):
        assert wanted in text, wanted
    titles = ("Saliency", "Gradient × input", "SmoothGrad", "Grad-CAM", "Integrated Gradients", "LIME", "SHAP")
    for title in titles:
        assert title in text
    assert page.count('<figure class="card">') == 2 * 7 + 2 * 2
    assert page.count("<img") == page.count(" alt=") == page.count('src="data:image/png;base64,') == 2 * 2 + (2 + 14) + (2 + 4) + 3 + 1


def test_outcomes_are_words_not_only_colours(page) -> None:
    text = words(page)
    assert "Computed to within 2 % of this method's definition." in text
    assert "! warning: The linear surrogate explains only 41 % of the variance: do not rely on it. Use shap." in text
    assert "6 of 7 explanations good; warning for LIME" in text
    assert "✓ good" in text


def test_error_cost_and_time_stand_on_each_card(page) -> None:
    text = words(page)
    assert "error none: exact by definition" in text
    assert "error 5 % of the map (standard error)" in text
    assert "error 5 % of the map (estimated quadrature error)" in text
    assert "evaluations 24, of which 24 with a gradient" in text
    assert "evaluations 24, of which 0 with a gradient" in text
    assert "120 ms a sample (mean of 2)" in text


def test_the_answer_has_its_probability_where_there_is_one() -> None:
    record = replace(synthetic.explanation("saliency", 1), prediction=np.array([[0.875, 0.125]]), class_names=("cat", "dog"))
    assert "predicted “cat” (87.5%)" in words(render(record))
    logits = words(render(replace(record, prediction=np.array([[3.0, -1.0]]))))
    assert "predicted “cat”" in logits
    assert "%)" not in logits.split("Explained")[0].split("predicted")[1]


def test_reproduction_is_complete(page) -> None:
    text = words(page)
    for wanted in (
        "seed 0",
        "tolerance 0.02",
        "max evaluations 10000",
        "versions numpy: 2.0",
        "batch size 64",
        "fingerprint CNN-0a1b2c3d",
        "settings rule: gauss",
    ):
        assert wanted in text, wanted


def test_the_network_and_what_serves_it(page) -> None:
    text = words(page)
    assert "conv Conv2D 26 × 26 × 12 relu 120" in text
    assert "grad_cam ✗ no: needs a layer with channels over a grid" in text
    assert "For sample 1." in text
    assert "one row a unit" in text


@pytest.mark.parametrize(
    "records",
    [
        synthetic.explanation("lime", 1),
        [synthetic.view(1)],
        [synthetic.states()],
        [synthetic.inspection()],
        [replace(synthetic.explanation("saliency"), provenance={}, class_names=())],
        [replace(synthetic.explanation("smooth_grad", 1), error_kind="none", error=np.full((1, 28, 28, 1), np.nan), baseline_score=None)],
        [replace(synthetic.explanation("shap", 1), prediction=np.array([[0.3]]), class_names=(), target=Explained(("0",), "output"))],
        [replace(synthetic.explanation("saliency", 1), prediction=np.full((1, 4, 10), 0.1))],
        [replace(synthetic.view(1), provenance={})],
    ],
    ids=["one explanation", "view", "states", "inspection", "bare", "no error", "one output", "output per step", "bare view"],
)
def test_any_subset_makes_a_page(records) -> None:
    assert render(records).rstrip().endswith("</html>")


def test_a_page_of_views_alone_promises_no_errors_and_no_belief(full, page) -> None:
    promised = "Every map comes with its error", "Worth believing?", "A black bar is the numerical error"
    assert all(text in page for text in promised)
    views = render([record for record in full if isinstance(record, View)])
    assert not any(text in views for text in promised)
    assert "What each technique answers" in views


def test_nothing_and_what_is_no_record_are_refused(tmp_path) -> None:
    with pytest.raises(SettingError, match="at least one"):
        report([], tmp_path / "a.html")
    with pytest.raises(SettingError, match="got str"):
        report(["text"], tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_records_are_put_together_by_network_and_input() -> None:
    ig, shap = synthetic.explanation("integrated_gradients"), synthetic.explanation("shap")
    (found,) = group([ig[1:], shap])
    assert [[(e.method, row) for e, row in sample.rows] for sample in found.samples.values()] == [
        [("integrated_gradients", 0), ("shap", 1)],
        [("integrated_gradients", 1), ("shap", 2)],
        [("shap", 0)],
    ]
    other = replace(shap, provenance={**shap.provenance, "fingerprint": "another"})
    assert [network.name for network in group([ig, other])] == ["CNN", "CNN"]
    assert len(compose([ig, other]).networks[1].anchor) > len("cnn")


def test_labels_that_are_not_one_a_sample_are_not_used() -> None:
    record = synthetic.explanation("saliency", 3)
    assert "misclassified" in words(render(record))
    cut = replace(record, provenance=record.provenance | {"labels": record.provenance["labels"][:1]})
    assert "misclassified" not in words(render(cut))
    right = [int(label) == int(probabilities.argmax()) for label, probabilities in zip(record.provenance["labels"], record.prediction, strict=True)]
    for sample, hit in enumerate(right):
        assert ("misclassified" in words(render(record[sample]))) is not hit


def test_labels_may_be_names() -> None:
    record = synthetic.explanation("saliency", 1)
    right = record.class_names[int(record.prediction[0].argmax())]
    assert "✓ correct" in words(render(replace(record, provenance={"labels": [right]})))
    assert "correct" not in words(render(replace(record, provenance={"labels": ["no class"]})))


def test_scales_are_shared_where_units_agree() -> None:
    ig, gxi, shap, lime, saliency = (synthetic.explanation(m, 1) for m in ("integrated_gradients", "gradient_x_input", "shap", "lime", "saliency"))
    shap = replace(shap, values=3 * shap.values)
    rows = [(record, 0) for record in (ig, gxi, shap, lime, saliency)]
    found = limits(rows)
    pixel, patch = max(np.abs(ig.values).max(), np.abs(gxi.values).max()), np.abs(shap.values).max()
    np.testing.assert_allclose(found[:4], [pixel, pixel, patch, patch], rtol=1e-6)
    assert found[4] is None
    probability = replace(gxi, target=Explained(gxi.target.labels, "probability"))
    assert limits([(ig, 0), (probability, 0)]) == [None, None]
    text = words(render([ig, gxi, saliency]))
    assert "Integrated Gradients and Gradient × input share one scale" in text
    assert "Saliency: a scale of its own" in text


def test_two_runs_of_one_method_are_told_apart() -> None:
    lime = synthetic.explanation("lime", 1)
    found = compose([lime, lime]).networks[0].samples[0].cards
    assert [card.title for card in found] == ["LIME", "LIME (2)"]
    assert len({card.picture.name for card in found}) == 2


def evil_records() -> list:
    names = (EVIL, '"><img src=x onerror=alert(1)>', "</style><b>", "{{ 7*7 }}", *"456789")
    record = synthetic.explanation("lime", 2, class_names=names, network=EVIL)
    check = Check("poor_fit", EVIL, "<i>advice</i>", {})
    provenance = {**record.provenance, "data": EVIL, EVIL: EVIL, "title": EVIL, "framework": EVIL, "versions": {EVIL: EVIL}}
    record = replace(
        record,
        prediction=np.eye(10, dtype=np.float32)[[0, 1]],
        target=Explained((EVIL, names[1]), "logit"),
        outcome=Outcomes((Outcome(check, (check,)),) * 2),
        provenance=provenance,
        method="own<method>",
    )
    view = synthetic.view(1)
    view = View(EVIL, {EVIL: view.values["dense"]}, {EVIL: ("sample", "unit")}, view.inputs, {"network": EVIL, "title": EVIL})
    inspection = synthetic.inspection()
    layer = replace(inspection.layers[0], name=EVIL, kind=EVIL, activation=EVIL)
    return [record, view, replace(inspection, framework=EVIL, head=EVIL, layers=(layer,), methods={EVIL: EVIL}, views={EVIL: ""})]


def test_what_a_user_names_is_text() -> None:
    page = render(evil_records(), title=EVIL)
    for markup in ("<script", "<img src=x", "<i>advice", "</style><b>", "own<method>"):
        assert markup not in page, markup
    assert EVIL in words(page)
    assert "{{ 7*7 }}" in words(render(evil_records()[0][[1]], title="{{ 7*7 }}"))


def test_file_names_stay_in_their_folder(tmp_path) -> None:
    view = synthetic.view(1)
    evil = View("v", {"../../evil/layer": view.values["dense"]}, {"../../evil/layer": ("sample", "unit")}, view.inputs, {"network": "../.."})
    (written,) = write_figures([evil], tmp_path / "figures")
    assert written.parent == tmp_path / "figures"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures"]


def test_figures_are_written_beside_the_report(tmp_path, full) -> None:
    path = report(full[3:5], tmp_path / "report.html", figures=tmp_path)
    names = sorted(item.name for item in tmp_path.iterdir())
    assert path.name in names
    assert "cnn-view-conv.png" in names
    assert "rnn-sample-1-input.png" in names
    assert "rnn-sample-2-shap.png" in names
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith(".png"))


def test_the_same_records_give_the_same_page(full, page) -> None:
    assert render(full[-3:]) == render(full[-3:])


def test_the_page_is_small(page) -> None:
    assert len(page) < 2_000_000


def test_an_unwritable_place_leaves_nothing_behind(tmp_path) -> None:
    record = synthetic.explanation("saliency", 1)
    with pytest.raises(OutputError, match="cannot write"):
        report(record, tmp_path / "no" / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_figures(record, tmp_path / "file" / "figures")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_the_room_can_be_called_like_its_verb(tmp_path) -> None:
    code = "import pellucid, synthetic as s; r = [s.inspection()]\nfor i in range(3): pellucid.report(r, f'{i}.html')\n"
    code += "import pellucid.report; pellucid.report(r, '3.html')"
    environment = {"PYTHONPATH": str(next(path for path in sys.path if path.endswith("tests")))}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_title_names_the_layer_that_is_attributed_to() -> None:
    record = synthetic.explanation()
    at = replace(record, provenance={**record.provenance, "resolved": {"at": "conv2d_1"}})
    assert title_of(at) == f"{title_of(record)} at conv2d_1"
