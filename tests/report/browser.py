"""A headless Chromium, where there is one: what it shows, asks of the network and complains of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
PROBE = """<script>addEventListener('load', () => {
  document.body.dataset.widths = JSON.stringify([...document.images].map(image => image.complete ? image.naturalWidth : 0));
  document.body.dataset.page = JSON.stringify([innerWidth, document.documentElement.scrollWidth]);
})</script>"""


@dataclass(frozen=True)
class Visit:
    """The page as it stood after loading; complaints of its console; addresses that it, not the browser, asked for."""

    dom: str
    console: list[str]
    requests: list[str]


def find() -> str | None:
    """The path of an installed Chromium or Chrome."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable") if (path := shutil.which(name))), None)


def visit(page: Path, folder: Path, size: tuple[int, int] = (1280, 900)) -> Visit:
    """Open a page from disk."""
    folder.mkdir()
    log = folder / "net.json"
    command = [
        str(find()),
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        "--enable-logging=stderr",
        f"--window-size={size[0]},{size[1]}",
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Visit(done.stdout, console, _requests(log.read_text()))


def _requests(log: str) -> list[str]:
    """Addresses over the network with a page as their origin."""
    try:
        events = json.loads(log)["events"]
    except json.JSONDecodeError:  # the browser ended before closing the list
        events = json.loads(log.rstrip().rstrip(",") + "]}")["events"]
    asked = [event["params"] for event in events if "url" in event.get("params", {})]
    return [entry["url"] for entry in asked if re.match("https?:|wss?:", entry["url"]) and entry.get("initiator", "not an origin") != "not an origin"]


def probed(html: str) -> str:
    """The page with a script that notes the widths of its images; without its policy, which would forbid that."""
    without = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    return without.replace("</body>", f"{PROBE}</body>")


def noted(dom: str, name: str) -> list[int]:
    """What the probe wrote."""
    found = re.search(f'data-{name}="([^"]*)"', dom)
    return [] if found is None else json.loads(found.group(1))
