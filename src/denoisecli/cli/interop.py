"""`denoisecli import` and `denoisecli export`: to and from other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from . import complete
from .app import app
from .options import Json, Quiet, Verbose
from .streams import print_document, print_path

ImageFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A PNG, JPEG or WebP with its settings inside, or a saved workflow.json.")
]
ForLab = Annotated[
    str,
    typer.Option(
        "--lab",
        metavar="LAB",
        help="Write the config for this lab, one that samples.",
        autocompletion=complete.importing_labs,
    ),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=complete.runs)]
To = Annotated[
    str,
    typer.Option(
        "--to", metavar="comfyui|a1111", help="The other tool.", autocompletion=complete.one_of("comfyui", "a1111")
    ),
]
OneSeed = Annotated[Optional[int], typer.Option("--seed", metavar="N", help="Only this seed's pictures.")]  # noqa: UP045
Api = Annotated[bool, typer.Option("--api", help="comfyui: what its server takes, rather than what its page loads.")]
OutFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--out", "-o", metavar="FILE", help="Write it to this file rather than to stdout."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace FILE whatever it holds.")]


@app.command("import")
def import_(
    image: ImageFile, lab: ForLab = "sample", json: Json = False, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """ComfyUI, A1111 or InvokeAI metadata to a config.

    The config goes to stdout; what is not the same here is told on stderr, and in the config's comments.
    """
    from denoisecli.config.fields import did_you_mean
    from denoisecli.errors import UsageError
    from denoisecli.interop.reader import config_text, import_image
    from denoisecli.registry import CONFIGS, importing

    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    if lab not in (labs := importing()):
        raise UsageError(f'No settings are imported for "{lab}"{did_you_mean(lab, labs)}', f"Labs: {', '.join(labs)}.")
    imported = import_image(image, CONFIGS[lab])
    console.tell(imported.notes)
    if json:
        found = {"config": {"lab": lab} | imported.values, "elsewhere": imported.elsewhere, "notes": imported.notes}
        console.emit("import", file=str(image), source=imported.source, **found)
    else:
        print_document(config_text(imported, image.name, CONFIGS[lab]))


@app.command()
def export(
    run: Run,
    to: To,
    seed: OneSeed = None,
    api: Api = False,
    out: OutFile = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """A run's settings to ComfyUI or A1111.

    comfyui: a workflow.json to drop onto the page, with a sampler for each picture (--api: for POST /prompt). a1111:
    the text to paste into the prompt box. What cannot be said there is told on stderr, and in the workflow's note.
    """
    from denoisecli.interop.export import exported

    from .console import Console
    from .run_arguments import run_folders

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    [folder] = run_folders([run])
    made = exported(folder, to, seed, api=api)
    console.tell(made.notes)
    if out is not None:
        _write(out, made.text + "\n", force=force)
    if json:
        console.emit("export", run=str(folder), to=to, file=str(out) if out else None, **made.record)
    elif out is not None:
        print_path(out)
    else:
        print_document(made.text + "\n")


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write the text. Raises UsageError where the file holds something else, MediaError where it cannot be written."""
    from denoisecli.errors import UsageError
    from denoisecli.media.files import cannot_write, whole_file
    from denoisecli.safe_text import utf8

    try:
        if path.exists() and not force and path.read_bytes() != utf8(text):
            raise UsageError(f"{path} is there already.", "Choose another name, or replace it with --force.")
    except OSError as error:
        raise cannot_write(path, error) from None
    with whole_file(path) as partial:
        partial.write_bytes(utf8(text))
