"""What `import` makes of ComfyUI's own templates: which come in right, what is told of the others, which are refused.

Run it: pip download --no-deps comfyui-workflow-templates-json; unzip it; then
    python benchmarks/templates.py FOLDER/comfyui_workflow_templates_json/templates > docs/comfyui-templates.md
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from denoisecli.errors import NotRecorded
from denoisecli.interop.reader import import_image
from denoisecli.labs.sample.config import SampleConfig

VERSION = "0.1.123"
HEAD = f"""# ComfyUI's templates, imported

Made by benchmarks/templates.py from the {{total}} templates of comfyui-workflow-templates-json {VERSION}. *Right*: the
config is what the graph does, but for the files of models and LoRAs, which no graph carries. *Told*: what differs is
said in comments above the config, as here. *Refused*: there is no sampler in the graph, because the pictures are made
elsewhere (templates of paid services), or none are. {{right}} are right, {{told}} told, {{refused}} refused.
"""
FILES = re.compile(r"is not in this folder|of the family .*; choose one of it|hears is the cfg here")
FAMILY = re.compile(r"of the family (.*); choose")


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Return (name, family, what is told) of each template; what is told is "-" where it is refused."""
    found = []
    names = sorted(path for path in folder.glob("*.json") if not path.name.startswith("index"))
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)  # no model or LoRA of any name is here
        for path in names:
            try:
                imported = import_image(path, SampleConfig)
            except NotRecorded:
                found.append((path.stem, "", "-"))
                continue
            family = next((match[1] for note in imported.notes if (match := FAMILY.search(note))), "")
            told = " ".join(note for note in imported.notes if not FILES.search(note))
            found.append((path.stem, family, told.replace("|", chr(92) + "|")))
    return found


def main(folder: str) -> None:
    """Print the page."""
    found = rows(Path(folder).resolve())
    read = [row for row in found if row[2] != "-"]
    right = sum(not told for _, _, told in read)
    count = {"total": len(found), "right": right, "told": len(read) - right, "refused": len(found) - len(read)}
    print(HEAD.format(**count))
    print("| template | family | what is told |\n| --- | --- | --- |")
    for name, family, told in read:
        print(f"| {name} | {family} | {told or 'right'} |")
    others = [name for name, _, told in found if told == "-" and not name.startswith("api_")]
    services = sum(name.startswith("api_") for name, _, told in found if told == "-")
    print(f"\nRefused: {services} whose names begin with `api_`, and {', '.join(others)}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
