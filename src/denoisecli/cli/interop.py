"""`denoisecli import` and `denoisecli export`: to and from other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .options import Quiet, Verbose

ImageFile = Annotated[Path, typer.Argument(metavar="IMAGE", help="A PNG, JPEG or WebP with its settings inside.")]
ForLab = Annotated[str, typer.Option("--lab", metavar="LAB", help="Write the config for sample, cfg-sweep or walk.")]
LABS_THAT_PAINT = ("sample", "cfg-sweep", "walk")


@app.command("import")
def import_(image: ImageFile, lab: ForLab = "sample", quiet: Quiet = False, verbose: Verbose = False) -> None:
    """ComfyUI, A1111 or InvokeAI metadata to a config."""
    from ..config.fields import did_you_mean
    from ..config.schema import LABS
    from ..errors import UsageError
    from ..interop.reader import config_text, import_image
    from .console import Console

    console = Console.set_up(json=False, quiet=quiet, verbose=verbose)
    if lab not in LABS_THAT_PAINT:
        guess = did_you_mean(lab, list(LABS_THAT_PAINT))
        raise UsageError(f'No settings are imported for "{lab}"{guess}', f"Labs: {', '.join(LABS_THAT_PAINT)}.")
    imported = import_image(image, LABS[lab])
    for note in imported.notes:
        console.report.warn(note)
    typer.echo(config_text(imported, image.name, LABS[lab]), nl=False)
