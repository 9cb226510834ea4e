"""Build the site of the documentation in build/site: the pages of docs/, the README, and a gallery of every lab.

The gallery's films and pages are made here by the tool itself, so that none is committed. `make docs` runs this.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
PAGES = BUILD / "docs"
LABS = {
    "sample": ("The deck", "Every state of four runs that differ in their starting noise alone."),
    "cfg-sweep": ("The guidance sweep", "One starting noise under four guidance scales."),
    "walk": ("The walk", "From one starting noise to another, every frame a full run."),
    "fork": ("The fork", "One run, taken up at several states with another prompt."),
    "words": ("The words", "Where each word of the prompt speaks, and since when."),
    "noise": ("The noise", "One picture and one noise, mixed in every proportion."),
    "lora-rank": ("The rank", "A matrix from fewer and fewer of its parts."),
}
MORE = {"fork": ["--to", "a castle on a rocky cliff at night, clear sky, calm sea, oil painting"]}
SMALL = ["--set", "film.size=640x360", "--set", "film.formats=[mp4, webp]"]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def repository() -> str:
    """Return where the project's files are, from pyproject.toml."""
    found = re.search(r'^Source = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "pyproject.toml names no Source"
    return f"{found[1]}/blob/main/"


def site_text(text: str, folder: Path) -> str:
    """Return a page whose links lead to pages of the site, or to the project's files for what is outside of docs/."""

    def led(found: re.Match[str]) -> str:
        path, _, anchor = found[1].partition("#")
        target = Path(os.path.normpath(folder / path))
        end = f"#{anchor}" if anchor else ""
        if target.is_relative_to(ROOT / "docs"):
            return f"]({target.relative_to(ROOT / 'docs').as_posix()}{end})"
        return f"]({repository()}{target.relative_to(ROOT).as_posix()}{end})"

    return LINK.sub(led, text)


def copy_pages() -> None:
    """Put the README (as the first page), the pages of docs/ and their pictures where the site is built from."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("build"))
    for page in (ROOT / "docs").glob("*.md"):
        (PAGES / page.name).write_text(site_text(page.read_text(encoding="utf-8"), page.parent), encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (PAGES / "index.md").write_text(site_text(readme, ROOT), encoding="utf-8")


def make_run(lab: str, quick: list[str]) -> Path:
    """Make the gallery's run of a lab, or find it, and return its folder."""
    command = [sys.executable, "-m", "denoisecli", lab, *MORE.get(lab, []), *SMALL, *quick, "-q"]
    runs = {"DENOISECLI_RUNS_DIR": str(BUILD / "gallery-runs")}
    done = subprocess.run(command, env=os.environ | runs, cwd=BUILD, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip().splitlines()[-1])


def make_gallery(labs: list[str], steps: int | None) -> None:
    """Write the gallery: of each lab the film, the page to play with, and the command."""
    BUILD.mkdir(exist_ok=True)
    text = ["# Gallery", "", "Made by the commands that stand with them. A click opens the page to play with."]
    for lab in labs:
        title, said = LABS[lab]
        quick = ["--steps", str(steps)] if steps and lab not in ("noise", "lora-rank") else []
        run = make_run(lab, quick)
        place = PAGES / "gallery" / lab
        place.mkdir(parents=True, exist_ok=True)
        for name in ("film.webp", "page.html"):
            shutil.copyfile(BUILD / run / name, place / name)
        film = f"[![{title}](gallery/{lab}/film.webp)](gallery/{lab}/page.html)"
        text += ["", f"## {title}", "", said, "", film, "", "```sh", f"denoisecli {lab}", "```"]
    (PAGES / "gallery.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def main() -> None:
    """Build the site; broken links fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--labs", nargs="*", default=list(LABS), choices=list(LABS), help="whose runs the gallery shows"
    )
    parser.add_argument("--steps", type=int, help="denoising steps of the gallery's runs, fewer than usual")
    asked = parser.parse_args()
    copy_pages()
    make_gallery(asked.labs, asked.steps)
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / "mkdocs.yml")], check=True)
    sys.stdout.write(f"{BUILD / 'site'}\n")


if __name__ == "__main__":
    main()
