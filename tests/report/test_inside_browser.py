"""The page of the inside in a real browser: layers chosen by click, list and keys, samples, slider, zoom; no complaint, no request, and room on a phone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import browser
import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api.inside import Looked
from pellucid.core.view import WARNING, Finding, View
from pellucid.report.inside import render

pytestmark = pytest.mark.skipif(browser.find() is None, reason="no Chromium or Chrome is installed")
generator = np.random.default_rng(0)
STACK = [Dense(generator.normal(size=shape), np.zeros(shape[1]), "relu") for shape in ((4, 5), (5, 6), (6, 3))]


@pytest.fixture(scope="module")
def html() -> str:
    """Three dense layers; the second has a state over five steps for each of two samples, and a finding."""
    graph = pellucid.visualize(NumpyModel(STACK, (4,)), view="graph", network="small")
    states = np.zeros((2, 5, 4))
    states[0, 4], states[1, 0] = (1, -1, 0.5, 0), (0, 1, 0, 0)
    found = (Finding("planted", "dense_1", "something was found", "look at it", {}, WARNING),)
    over = View("activation_map", {"dense_1": states}, {"dense_1": ("sample", "time", "unit")}, np.zeros((2, 5, 1)), {"labels": [3, 4]}, findings=found)
    return render(Looked((graph, over), {"graph": 0.5}, {}))


def acted(html: str, script: str, folder: Any, size: tuple[int, int] = (1280, 900)) -> dict[str, Any]:
    """What a script notes that acts on the page as a person would."""
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    helpers = """
      const noted = {}, all = name => [...document.querySelectorAll(name)], one = name => document.querySelector(name);
      const heading = () => one('#sheet h2').textContent, box = number => one(`.layer[data-layer="${number}"]`);
      const click = element => element.dispatchEvent(new MouseEvent('click', { bubbles: true }));
      const press = key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
      const view = () => one('#canvas svg').getAttribute('viewBox').split(' ').map(Number);
      const pixels = canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
      const seen = () => all('#sheet [data-sample]').filter(part => !part.hidden).map(part => part.dataset.sample);
    """
    probe = f"<script>addEventListener('load', () => {{ {helpers} {script}; document.body.dataset.noted = JSON.stringify(noted); }})</script>"
    (folder / "page.html").write_text(open_page.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    visit = browser.visit(folder / "page.html", folder / "visit", size)
    assert [line for line in visit.console if "getImageData" not in line] == []  # the probe's own
    found = re.search(r'data-noted="([^"]*)"', visit.dom)
    assert found is not None
    return json.loads(found.group(1).replace("&quot;", '"').replace("&amp;", "&"))


def test_the_script_runs_under_its_policy_and_nothing_is_asked_of_anybody(html: str, tmp_path: Any) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    visit = browser.visit(tmp_path / "page.html", tmp_path / "visit")
    assert visit.console == []
    assert visit.requests == []
    assert 'class="layer" data-layer="0" tabindex="0"' in visit.dom  # what the script does first


def test_layers_are_chosen_by_click_by_list_and_by_what_was_found(html: str, tmp_path: Any) -> None:
    found = acted(
        html,
        """noted.start = heading(); click(box(2)); noted.clicked = [heading(), one('#choice').value, all('.layer.chosen').map(part => part.dataset.layer)];
        noted.facts = one('#sheet dl').textContent.replace(/\\s+/g, ' '); noted.findings = all('#sheet .findings li').map(part => part.className);
        click(all('#sheet .jump')[0]); noted.jumped = heading();
        one('#choice').value = '3'; one('#choice').dispatchEvent(new Event('change', { bubbles: true })); noted.listed = heading();
        one('#choice').value = ''; one('#choice').dispatchEvent(new Event('change', { bubbles: true })); noted.home = heading();
        click(one('#sheet .jump')); noted.found = heading();""",
        tmp_path,
    )
    assert found["start"] == found["home"] == "The whole network"
    assert found["clicked"] == ["dense_1", "2", ["2"]]
    assert "kindDense" in found["facts"]
    assert "parameters36" in found["facts"]
    assert found["findings"] == ["warning"]
    assert (found["jumped"], found["listed"], found["found"]) == ("dense_0", "dense_2", "dense_1")


def test_samples_and_the_slider_over_time_steps(html: str, tmp_path: Any) -> None:
    found = acted(
        html,
        """const shown = name => one(`#sheet .frames:not([hidden]) ${name}`), slider = () => shown('input'), said = () => shown('output').textContent;
        const drawn = () => pixels(shown('canvas'));
        click(box(2)); noted.first = seen(); noted.last = said(); const full = drawn();
        slider().value = 0; slider().dispatchEvent(new Event('input', { bubbles: true })); noted.step = said(); const none = drawn();
        noted.differ = full.some((value, place) => value !== none[place]);
        const count = (data, colour) => data.filter((value, at) => at % 4 === 0 && [0, 1, 2].every(place => data[at + place] === colour[place])).length;
        const coloured = data => [count(data, [178, 24, 43]), count(data, [33, 102, 172])];
        noted.full = coloured(full); noted.none = coloured(none);
        click(all('.sample-button')[1]); noted.second = seen(); noted.pressed = all('.sample-button').map(part => part.getAttribute('aria-pressed'));
        slider().value = 0; slider().dispatchEvent(new Event('input', { bubbles: true })); noted.other = coloured(drawn());""",
        tmp_path,
    )
    assert found["first"] == ["0", "0"]  # the picture and the slider of the first sample
    assert found["second"] == ["1", "1"]
    assert found["pressed"] == ["false", "true"]
    assert (found["last"], found["step"]) == ("5 / 5", "1 / 5")
    assert found["differ"]
    red, blue = found["full"]
    assert red == pytest.approx(1.5 * blue, rel=0.05)  # 1 and 0.5 above zero, 1 below
    assert sum(found["none"]) <= 0.02 * red  # nothing but zeros, a pixel each
    assert found["other"][1] <= 0.02 * red < found["other"][0]


def test_keys_walk_through_the_graph_and_zoom_it(html: str, tmp_path: Any) -> None:
    found = acted(
        html,
        """noted.stops = all('.layer[tabindex="0"]').length; box(0).focus(); press('ArrowDown'); press('ArrowDown');
        noted.down = [heading(), document.activeElement.dataset.layer];
        press('ArrowUp'); noted.up = heading(); const before = view(); press('+'); const near = view(); noted.nearer = near[2] < before[2]; press('0');
        const whole = view(), part = all('.box').map(box => ['x', 'y', 'width', 'height'].map(name => Number(box.getAttribute(name))));
        noted.all = part.every(([x, y, w, h]) => x >= whole[0] && y >= whole[1] && x + w <= whole[0] + whole[2] && y + h <= whole[1] + whole[3]);
        one('#canvas').dispatchEvent(new WheelEvent('wheel', { deltaY: -400, clientX: 200, clientY: 300, bubbles: true, cancelable: true }));
        noted.wheel = view()[2] < whole[2];
        click(one('#in')); const button = view(); click(one('#out')); noted.out = view()[2] > button[2];
        const point = (kind, x, y) => one('#canvas svg').dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: x, clientY: y, bubbles: true }));
        click(one('#in')); click(one('#in')); click(one('#in')); const still = view();
        point('pointerdown', 200, 400); point('pointermove', 200, 300); point('pointerup', 200, 300);
        noted.moved = view()[1] > still[1]; const chosen = heading(); click(box(3)); noted.dragged = heading() === chosen;
        box(1).focus(); press('Escape'); noted.escaped = heading();""",
        tmp_path,
    )
    assert found["stops"] == 1  # one stop of the Tab key, arrows from there
    assert found["down"] == ["dense_1", "2"]
    assert found["up"] == "dense_0"
    assert found["nearer"]
    assert found["all"]
    assert found["wheel"]
    assert found["out"]
    assert found["moved"]
    assert found["dragged"]  # the end of a drag is no click
    assert found["escaped"] == "The whole network"


def test_whoever_does_not_see_the_page_keeps_their_place(html: str, tmp_path: Any) -> None:
    found = acted(
        html,
        """const place = () => [document.activeElement.tagName, document.activeElement.textContent];
        box(0).focus(); press('ArrowDown'); noted.walked = document.activeElement.dataset.layer; press('Enter'); noted.entered = place();
        all('#sheet .jump').at(-1).focus(); click(document.activeElement); noted.jumped = place();
        noted.live = all('#panel, #sheet').filter(part => part.hasAttribute('aria-live')).length;
        noted.marked = box(2).getAttribute('aria-label');
        one('#choice').value = '2'; one('#choice').dispatchEvent(new Event('change', { bubbles: true }));
        const shown = name => one(`#sheet .frames:not([hidden]) ${name}`);
        noted.step = shown('input').getAttribute('aria-valuetext'); noted.canvas = shown('canvas').getAttribute('aria-label');
        click(shown('.play')); noted.playing = [shown('.play').getAttribute('aria-pressed'), shown('output').getAttribute('aria-live')];
        click(shown('.play')); noted.stopped = shown('.play').getAttribute('aria-pressed');""",
        tmp_path,
    )
    assert found["walked"] == "1"  # arrows stay in the graph
    assert found["entered"] == ["H2", "dense_0"]  # Enter goes to what was chosen
    assert found["jumped"] == ["H2", "dense_1"]  # and a button that is gone takes nobody along
    assert found["live"] == 0  # a choice does not read a whole page aloud
    assert found["marked"] == "dense_1, Dense, 6, Warning"
    assert found["step"] == "5 / 5"
    assert found["canvas"] == "output, −1 to 1"
    assert found["playing"] == ["true", "off"]
    assert found["stopped"] == "false"


def test_a_long_name_leaves_room_for_the_shape(tmp_path: Any) -> None:
    graph = pellucid.visualize(NumpyModel(STACK, (4,)), view="graph")
    name = "stage_00_with_a_very_long_name_indeed_of_the_block_number_0"
    renamed = {part: {name if one == "dense_1" else one: held for one, held in getattr(graph, part).items()} for part in ("values", "axes", "details")}
    found = acted(
        render(Looked((replace(graph, **renamed),), {}, {})),
        "const [said, shape] = [...box(2).querySelectorAll('text')].map(text => text.getBBox()); noted.room = shape.x - said.x - said.width;",
        tmp_path,
    )
    assert found["room"] > 0


def test_the_address_names_the_layer_and_goes_back(html: str, tmp_path: Any) -> None:
    found = acted(
        html,
        """click(box(1)); noted.first = location.hash; click(box(2)); noted.second = location.hash;
        history.replaceState(null, '', '#dense_2'); dispatchEvent(new PopStateEvent('popstate')); noted.named = heading();
        history.replaceState(null, '', '#%E0%A4%A'); dispatchEvent(new PopStateEvent('popstate')); noted.broken = heading();""",
        tmp_path,
    )
    assert (found["first"], found["second"], found["named"]) == ("#dense_0", "#dense_1", "dense_2")
    assert found["broken"] == "The whole network"


def test_a_sentence_stands_beside_what_the_network_made_of_it(html: str, tmp_path: Any) -> None:
    graph = pellucid.visualize(NumpyModel(STACK, (4,)), view="graph")
    told = {"given": [{"text": "a rather dull film", "names": ["a"]}, {"names": ["age", "sex"], "data": [63, "f"]}]}
    maps = View("activation_map", {"dense_1": np.zeros((2, 6))}, {"dense_1": ("sample", "unit")}, np.zeros((2, 4)), told)
    found = acted(
        render(Looked((graph, maps), {}, {})),
        """const said = () => all('.given').filter(part => !part.hidden).map(part => part.textContent); noted.first = said();
        click(all('.sample-button')[1]); click(box(2)); noted.second = said();""",
        tmp_path,
    )
    assert found == {"first": ["a rather dull film"], "second": ["age: 63; sex: f"]}


def test_on_a_phone_the_graph_is_on_top_and_nothing_runs_out_of_the_page(html: str, tmp_path: Any) -> None:
    told = (
        "parent.postMessage([innerWidth, document.documentElement.scrollWidth, one('#map').offsetTop + one('#map').offsetHeight, one('#panel').offsetTop], '*')"
    )
    helpers = "const one = name => document.querySelector(name); one('.layer[data-layer=\"2\"]').dispatchEvent(new MouseEvent('click', { bubbles: true }));"
    inner = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    inner = inner.replace("</body>", f"<script>addEventListener('load', () => {{ {helpers} {told} }})</script></body>")
    (tmp_path / "inner.html").write_text(inner, encoding="utf-8")
    outer = "<body><script>addEventListener('message', event => { document.body.dataset.noted = JSON.stringify(event.data); })</script>"
    (tmp_path / "page.html").write_text(f'{outer}<iframe src="inner.html" width="390" height="844" style="border:0"></iframe></body>', encoding="utf-8")
    visit = browser.visit(tmp_path / "page.html", tmp_path / "visit", (500, 900))
    width, needed, end, start = browser.noted(visit.dom, "noted")
    assert width == 390
    assert needed <= width
    assert end <= start
