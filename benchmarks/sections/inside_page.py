"""The page of the inside of a residual network of 51 convolutions, on photographs of CIFAR-10: its size, and how soon a browser paints it and has it whole.
Time is that of one headless Chromium on the same machine, the median of several visits; where there is none, size alone is measured."""

from __future__ import annotations

import http.server
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np

from pellucid.api.inside import look
from pellucid.report.inside import render
from places import shared
from reporting import Report

TITLE = "Page of the inside of a network"
PACKAGES = ("keras", "tensorflow-cpu", "matplotlib")
SAMPLES, VISITS = 256, 5
MEGABYTES, SECONDS = 15.0, 2.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage")
PROBE = """<script>{{ const told = {{}}, tell = (name, value) => {{ told[name] = value; if ('paint' in told && 'load' in told)
  fetch(`http://127.0.0.1:{port}/?paint=${{told.paint}}&load=${{told.load}}`, {{ mode: 'no-cors' }}); }};
new PerformanceObserver(list => list.getEntries().forEach(one => one.name === 'first-contentful-paint' && tell('paint', one.startTime)))
  .observe({{ type: 'paint', buffered: true }}); addEventListener('load', () => tell('load', performance.now())); }}</script>"""
Array = np.ndarray


def network(blocks: int = 8, width: int = 16) -> Any:
    """Three stages of `blocks` blocks of two convolutions, with a convolution on the way past where a stage begins."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers

    def convolved(x: Any, channels: int, step: int = 1) -> Any:
        return layers.BatchNormalization()(layers.Conv2D(channels, 3, step, padding="same", use_bias=False)(x))

    image = keras.Input((32, 32, 3))
    x = layers.Activation("relu")(convolved(image, width))
    for stage in range(3):
        for block in range(blocks):
            channels, step = width * 2**stage, 2 if stage and not block else 1
            y = convolved(layers.Activation("relu")(convolved(x, channels, step)), channels)
            x = layers.Conv2D(channels, 1, 2, use_bias=False)(x) if step > 1 else x
            x = layers.Activation("relu")(layers.Add()([y, x]))
    return keras.Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def measure(report: Report) -> None:
    with np.load(shared("cifar10_10k_2k.npz"), allow_pickle=False) as stored:
        inputs, labels = stored["x_test"][:SAMPLES].astype(np.float32) / 255, np.ravel(stored["y_test"][:SAMPLES]).astype(int).tolist()
    built = network()
    kernels = sum(type(layer).__name__ == "Conv2D" for layer in built.layers)
    start = time.perf_counter()
    looked = look(built, inputs, labels=labels, network="residual")
    seconds = time.perf_counter() - start
    page = render(looked)
    whole = time.perf_counter() - start
    size = len(page.encode()) / 1e6
    report.say(f"{len(built.layers)} layers, {kernels} of them convolutions; {len(looked.views)} views in {seconds:.0f} s, the page in {whole:.0f} s.\n")
    report.table(("view", "seconds"), ((name, f"{taken:.1f}") for name, taken in looked.seconds.items()))
    for name, reason in looked.missing.items():
        report.say(f"Not shown: {name}, {reason}")
    report.bar(f"a network of {kernels} convolutions: size of the page", f"≤ {MEGABYTES:.0f} MB", f"{size:.1f} MB", "–", size <= MEGABYTES)
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        report.say("No browser here, so that nothing was painted.")
        return
    visits = [visit(page, browser) for _ in range(VISITS)]
    paint, load = (statistics.median(one[place] for one in visits) / 1000 for place in range(2))
    report.say(f"Painted first after {paint:.2f} s, whole after {load:.2f} s, the median of {VISITS} visits.")
    report.bar("the same page: first contentful paint in headless Chromium", f"≤ {SECONDS:.0f} s", f"{paint:.2f} s", "–", paint <= SECONDS)


def visit(page: str, browser: str) -> tuple[float, float]:
    """Milliseconds to the first paint and to the load of a page from disk, as the page itself tells a server that listens here."""
    told: list[tuple[float, float]] = []

    class Listening(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = parse_qs(urlparse(self.path).query)
            told.append((float(found["paint"][0]), float(found["load"][0])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Listening)
    server.timeout = 60
    listening = threading.Thread(target=server.handle_request)
    listening.start()
    probe = PROBE.format(port=server.server_address[1])
    without = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)  # it would forbid the probe
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(without.replace('<body class="inside">', f'<body class="inside">{probe}'), encoding="utf-8")
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", "--remote-debugging-port=0", "--window-size=1280,900", path.as_uri()]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        listening.join()
        running.terminate()
        running.wait(30)
    server.server_close()
    return told[0]
