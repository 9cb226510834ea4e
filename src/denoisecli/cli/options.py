"""The options that the labs share, each declared once."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from denoisecli.safe_text import brief, shown

from . import complete

URL = re.compile(r"[a-z][a-z0-9+.-]*:(:|//)|data:", re.IGNORECASE)  # as fsspec writes them: chained by ::, too
FILE_URL = "file://"


def folder_or_url(text: str) -> Path | str:
    """Read a folder's path, also as file://, or any other URL as it is. Raises BadParameter for half a file://."""
    if text.startswith(FILE_URL):
        if not text[len(FILE_URL) :].startswith("/"):
            raise typer.BadParameter(
                f"{brief(text)} names no folder: want file:// and a whole path, as file:///home/me/runs."
            )
        return Path(text[len(FILE_URL) :])
    if text.startswith("://"):
        raise typer.BadParameter(f"{brief(text)} says no kind of store: want s3:// or another before the name.")
    return text if URL.match(text) else Path(text)


def folder(text: str) -> Path:
    """Read a folder's path. Raises BadParameter for a URL, to which only `batch` writes."""
    found = folder_or_url(text)
    if isinstance(found, str):
        raise typer.BadParameter(f"{brief(text)} is a URL. {COPY_IT}")
    return found


COPY_IT = "Only batch writes to URLs, and nothing reads from them: copy the runs to this machine first."


def whole(text: str) -> int:
    """Return a whole number; typer's own words for what is none do not name it."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{shown(text)} is not a whole number.") from None


def number(text: str) -> float:
    """Return a number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{shown(text)} is not a number.") from None


Configs = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Argument(metavar="CONFIG.yaml|-", help="Config files; - is stdin. None: the built-in default."),
]
Out = Annotated[Optional[Path], typer.Option("--out", "-o", metavar="DIR", help="Write the run to this folder.")]  # noqa: UP045
RunsDir = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--runs-dir", metavar="DIR", envvar="DENOISECLI_RUNS_DIR", help="Root of all runs [default: runs].",
        parser=folder,
    ),
]  # fmt: skip
RunsPlace = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--runs-dir", metavar="DIR|URL", envvar="DENOISECLI_RUNS_DIR",
        help="Root of all runs [default: runs]; a URL such as s3://bucket/runs: put there whole.",
    ),
]  # fmt: skip
Set = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one config key, as film.size=1080x1080; repeatable.",
        autocompletion=complete.settings,
    ),
]
Model = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--model",
        "-m",
        metavar="REF",
        help="pocket, a hub id, a diffusers folder or a .safetensors file [default: pocket].",
        autocompletion=complete.models,
    ),
]
Prompt = Annotated[Optional[str], typer.Option("--prompt", "-p", metavar="TEXT", help="What to paint.")]  # noqa: UP045
Seed = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--seed", metavar="N|A-B", help="Starting noise, or a range of them; repeatable."),
]
OneSeed = Annotated[Optional[int], typer.Option("--seed", metavar="N", parser=whole, help="Seed of the noise.")]  # noqa: UP045
Image = Annotated[Optional[str], typer.Option("--image", metavar="FILE", help="A picture of your own.")]  # noqa: UP045
LoraFile = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--lora", metavar="FILE", help="A LoRA (.safetensors), or pocket; none: the toy.", autocompletion=complete.loras
    ),
]
Images = Annotated[Optional[bool], typer.Option("--images", help="Paint the same seeds at every rank.")]  # noqa: UP045
Guess = Annotated[Optional[bool], typer.Option("--guess", help="Put the model's one-jump guess beside it.")]  # noqa: UP045
Frames = Annotated[
    int | None, typer.Option("--frames", metavar="N", parser=whole, help="Runs a leg, both its ends counted.")
]
Loop = Annotated[Optional[bool], typer.Option("--loop", help="Go on from the last seed to the first.")]  # noqa: UP045
ForkRun = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--run", metavar="RUN", help="A stored run to take up, instead of sampling one."),
]
At = Annotated[
    Optional[list[int]],  # noqa: UP045
    typer.Option("--at", metavar="K", parser=whole, help="State at which the run is taken up; repeatable."),
]
To = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--to", metavar="TEXT|KEY=VALUE", help="What is changed there: a prompt, or cfg=1, noise=3; repeatable."
    ),
]
Words = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--word", metavar="TEXT", help="A word or phrase of the prompt to follow; repeatable [default: all]."),
]
Concepts = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--concept", metavar="TEXT", help="A word that is not in the prompt, looked for too; repeatable."),
]
Steps = Annotated[Optional[int], typer.Option("--steps", metavar="N", parser=whole, help="Denoising steps.")]  # noqa: UP045
Cfg = Annotated[Optional[float], typer.Option("--cfg", metavar="X", parser=number, help="Guidance scale.")]  # noqa: UP045
Device = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--device", metavar="D", help="auto, cuda, mps or cpu [default: auto].",
                 autocompletion=complete.one_of("auto", "cuda", "mps", "cpu")),
]  # fmt: skip
Sampler = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--sampler", metavar="NAME", help="ddim, euler, dpmpp_2m_karras, ... [default: the model's own].",
                 autocompletion=complete.samplers),
]  # fmt: skip
Theme = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--theme", metavar="dark|light|contrast", help="Colours of film, sheet and page [default: dark].",
                 autocompletion=complete.one_of("dark", "light", "contrast")),
]  # fmt: skip
Quick = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option("--quick", help="A draft in seconds: fewer and smaller, in a folder of its own."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Make the run again, also over another run; never over other files.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more, and show tracebacks.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the folders that would be made, and make nothing.")]


def defaulting(option: Any, default: str) -> Any:
    """Return an option whose help names its default; the default itself is the config's."""
    [kind], [told] = option.__args__, option.__metadata__
    changed = copy.copy(told)
    changed.help = f"{told.help.rstrip('.')} [default: {default}]."
    return Annotated[kind, changed]
