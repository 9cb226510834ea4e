"""docs/cli.md is what `--help` says; `pytest tests/cli/test_help.py --update-golden` writes it anew."""

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HEAD = "# The command line\n\nWhat each command says of itself with `--help`. This page is made from it.\n"


CODE = """
import typer
from typer.testing import CliRunner
from denoisecli.cli import whole_app

app = whole_app()

def commands(group, path=()):
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))

for words in commands(typer.main.get_command(app)):
    shown = CliRunner().invoke(app, [*words, "--help"], prog_name="denoisecli", terminal_width=100)
    assert shown.exit_code == 0, shown.output
    text = "\\n".join(line.rstrip() for line in shown.stdout.strip().splitlines())
    print(f"\\n## {' '.join(['denoisecli', *words])}\\n\\n```\\n{text}\\n```")
"""
"""In a process of its own: commands stand in the order in which their modules were loaded."""


def test_the_page_says_what_the_commands_say(request):
    given = os.environ | {"COLUMNS": "100", "TERM": "dumb"}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=given)
    text = HEAD + done.stdout
    if request.config.getoption("--update-golden"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


def test_no_commands_line_is_cut_at_eighty_columns():
    given = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    code = CODE.replace("terminal_width=100", "terminal_width=78")  # click leaves two free
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=given)
    lists = [page.partition("Commands:\n")[2] for page in done.stdout.split("\n## ")]
    assert "  fork" in lists[1]
    assert not [line for said in lists for line in said.splitlines() if line.endswith("...")]
