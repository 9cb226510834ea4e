"""One headless Chromium for all tests of a worker, and pages to open in it."""

import base64
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.browser.pages import deck_page, noise_page
from tests.golden import check_golden

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
RUN = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--force-color-profile=srgb",
    "--disable-lcd-text",
    "--font-render-hinting=none",
]
READ = """canvas => {
  const times = Number(canvas.dataset.times || 1);
  const [width, height] = [canvas.width / times, canvas.height / times];
  const small = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  small.imageSmoothingEnabled = false;
  small.drawImage(canvas, 0, 0, width, height);
  let text = "";
  for (const byte of small.getImageData(0, 0, width, height).data) text += String.fromCharCode(byte);
  return [width, height, btoa(text)];
}"""
DESK, PHONE = (1280, 860), (390, 844)


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def refuse(reason: str) -> None:
    """Skip; where a machine promises to have everything (CI is set), fail."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def chromium(heavy):
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        refuse("no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page on the screen: Playwright's page, and what went wrong or out."""

    page: object
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def settle(self):
        """Wait until the last change is drawn."""
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def texts(self, selector):
        return self.page.locator(selector).all_inner_texts()

    def on(self, label):
        """Return the choices that are on in the tabs called so."""
        return self.page.locator(f'[role=group][aria-label="{label}"] [aria-pressed=true] span').all_inner_texts()

    def pixels(self, index=0):
        """Return what the panel's canvas shows, (height, width, 3), one pixel for each that was enlarged."""
        width, height, coded = self.page.locator("figure canvas").nth(index).evaluate(READ)
        return np.frombuffer(base64.b64decode(coded), np.uint8).reshape(height, width, 4)[..., :3].astype(int)


@pytest.fixture(scope="session")
def contexts(chromium):
    """Return contexts(options) → a browser context, made once for all tests that want the same."""
    made = {}

    def context(options: dict):
        key = repr(sorted(options.items()))
        made.setdefault(key, None)
        made[key] = made[key] or chromium.new_context(**options)
        return made[key]

    return context


@pytest.fixture
def show(contexts):
    """Return show(path, size=DESK, **context) → Opened; after the test no page has erred, and nothing was fetched."""
    shown = []

    def open_page(path: Path, size=DESK, **options) -> Opened:
        context = contexts({"viewport": {"width": size[0], "height": size[1]}} | options)
        opened = Opened(context.new_page())
        shown.append((opened, path))
        opened.page.on("console", lambda message: opened.errors.append(f"{message.type}: {message.text}"))
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(path.as_uri())
        opened.page.wait_for_selector("body[data-ready]", state="attached", timeout=20_000)
        opened.settle()
        return opened

    yield open_page
    for opened, path in shown:
        opened.page.close()
        assert opened.errors == []
        left = [url for url in opened.requests if url != path.as_uri() and not url.startswith(("data:", "blob:"))]
        assert left == []


@pytest.fixture(scope="session")
def deck(tmp_path_factory):
    """Three seeds and nine states, drawn by hand."""
    return deck_page(tmp_path_factory.mktemp("deck"))


@pytest.fixture(scope="session")
def noise(tmp_path_factory):
    """A small noise run: (path of the page, its trace)."""
    return noise_page(tmp_path_factory.mktemp("noise"))


@pytest.fixture
def golden(request) -> Callable[[str, object], None]:
    """Return a check that a picture looks like `golden/NAME.png`; other builds of Chromium draw edges otherwise."""
    update = request.config.getoption("--update-golden")
    return lambda name, picture: check_golden(GOLDEN / f"{name}.png", picture, update=update, mean=1.5, far_share=0.02)


@pytest.fixture(scope="session")
def axe():
    """Return axe-core's source, installed from npm on first use."""
    if shutil.which("npm") is None:
        refuse("no npm: apt-get install nodejs npm")
    with (HERE / "package.json").open() as lock:  # several workers want it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not AXE.exists():
            done = subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True, check=False
            )
            if done.returncode:
                refuse(f"npm ci failed: {done.stderr[-300:]}")
    return AXE.read_text(encoding="utf-8")
