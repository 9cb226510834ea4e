"""Every command line in the README runs as it stands (made small through the environment)."""

import importlib
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import denoisecli
from tests.shell import surroundings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOPICS = ("labs", "pages", "live", "talk", "many-runs", "scripting", "python", "other-tools", "cost")
PAGES = {"README.md": README} | {
    f"docs/{name}.md": (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in TOPICS
}
MOST_LINES = 80  # of a page of the docs: a screen or two


def commands():
    blocks = [block for text in PAGES.values() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    lines = [line.split("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in dict.fromkeys(lines) if line.startswith("denoisecli")]


OTHERWISE = {"denoisecli live": {"DENOISECLI_SIZE": "256"}, "denoisecli lecture": {"DENOISECLI_SEEDS": "1-2"}}
"""What a command needs other than `shell.SMALL`: a page of one size, a walk that has two ends."""


@pytest.mark.usefixtures("heavy")
@pytest.mark.parametrize("line", commands())
def test_command_runs(line, tmp_path):
    more = next((values for start, values in OTHERWISE.items() if line.startswith(start)), {})
    if "jq" in line and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, env=surroundings(**more), check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if line.startswith("denoisecli ls"):  # there is nothing to list
        return
    made = tmp_path / done.stdout.splitlines()[-1]
    assert {"trace.json", "compare.json"} & {file.name for file in made.iterdir()} if made.is_dir() else made.is_file()


LINKS = [(page, link) for page, text in PAGES.items() for link in set(re.findall(r"\]\(((?!http)[^)#]+)\)", text))]


@pytest.mark.parametrize(("page", "link"), sorted(LINKS))
def test_link_leads_somewhere(page, link):
    assert ((ROOT / page).parent / link).exists()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_short_and_its_sentences_are_too(page):
    assert len(PAGES[page].splitlines()) <= (120 if page == "README.md" else MOST_LINES)
    prose = re.sub(r"```.*?```|`[^`]*`", "", PAGES[page], flags=re.DOTALL)
    assert [said for said in re.split(r"(?<=[.!?])\s|\n\n|\n- |\|", prose) if said.count(";") > 2] == []


def test_the_readme_begins_with_a_small_moving_picture_and_the_install():
    from PIL import Image

    first = re.search(r"!\[[^]]+\]\(([^)]+)\)", README)
    picture = ROOT / first[1]
    assert picture.stat().st_size <= 2 << 20
    with Image.open(picture) as opened:
        assert opened.n_frames > 10
    assert first.start() < README.index("pip install denoisecli") < README.index("make demo") < README.index("## ")


def test_the_readme_on_pypi_leads_to_where_the_source_is():
    pytest.importorskip("hatchling", reason="builds the package")
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    core = ProjectMetadata(str(ROOT), PluginManager()).core
    source = core.urls["Source"]
    assert all(url.startswith(source) for url in core.urls.values())
    assert {link for link in re.findall(r"\]\(([^)]+)\)", core.readme) if not link.startswith(source)} == set(
        re.findall(r"\]\((https://[^)]+)\)", README)
    )
    assert f"]({source}/raw/main/docs/images/deck.webp)" in core.readme
    assert f"]({source}/blob/main/docs/labs.md)" in core.readme
    assert len(core.readme) > len(README)


def test_every_command_is_in_the_readme():
    from denoisecli import cli
    from denoisecli.cli.app import app

    for module in pkgutil.iter_modules(cli.__path__):  # each adds its commands
        importlib.import_module(f"denoisecli.cli.{module.name}")
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        assert re.search(rf"`denoisecli {name}|, `{name}`", README), name


def test_changelog_names_this_version():
    assert f"## [{denoisecli.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
