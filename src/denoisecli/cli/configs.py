"""`denoisecli config`: write, check and describe configs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from denoisecli.registry import ROOMS

from . import complete
from .app import app
from .streams import print_document, print_line
from .terminal import plain

config_app = typer.Typer(help="Write, check and describe config files.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")

Lab = Annotated[
    str,
    typer.Argument(metavar="LAB", help=f"{', '.join(ROOMS)}.", autocompletion=complete.labs),
]


@config_app.command()
def init(lab: Lab) -> None:
    """Print a lab's default config as commented YAML."""
    from denoisecli.config.write import commented_yaml

    print_document(commented_yaml(_lab(lab)))


@config_app.command(short_help="Check configs without running them.")
def check(files: Annotated[list[str], typer.Argument(metavar="FILE", help="Config files; - is stdin.")]) -> None:
    """Check configs without running them; each must say which `lab:` it is for."""
    from denoisecli.config.base import SamplingConfig
    from denoisecli.config.load import load_any
    from denoisecli.config.phases import painted_size
    from denoisecli.labs.start import first_state

    for name in files:
        for config in load_any([name]):
            if isinstance(config, SamplingConfig) and ("steps" in config.model_fields_set or config.model == "pocket"):
                painted_size(config)  # these raise where a phase or a start has no step, or a picture is too large
                first_state(config)
            print_line(plain(f"{name}: {config.lab}: ok"))


@config_app.command()
def schema(lab: Lab) -> None:
    """Print the JSON Schema of a lab's config, for editors."""
    print_document(json.dumps(_lab(lab).model_json_schema(), indent=2, ensure_ascii=False) + "\n")


def _lab(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - its type would import pydantic
    from denoisecli.config.fields import did_you_mean
    from denoisecli.errors import UsageError
    from denoisecli.registry import CONFIGS

    if name not in CONFIGS:
        raise UsageError(f'There is no lab "{name}"{did_you_mean(name, list(CONFIGS))}', f"Labs: {', '.join(CONFIGS)}.")
    return CONFIGS[name]
