"""`denoisecli.live()`: the live page in a notebook."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from denoisecli.config.load import build, flags
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report

from .tool import PAGE, make_live


@dataclass(frozen=True)
class LivePage:
    """A live page that was written; a notebook shows it in place."""

    path: Path
    height: int = 900

    def _repr_html_(self) -> str:
        place = html.escape(quote(os.fsencode(self.path)))
        return f'<iframe src="{place}" width="100%" height="{self.height}" style="border: 0"></iframe>'


def live(path: str | Path = PAGE, *, exact: bool = False, force: bool = False, **keys: Any) -> LivePage:
    """Write the live page and return it, to be shown by a notebook beside it.

    path: of the file, which a notebook reaches by a relative path.
    exact: the model's own weights instead of rounded ones: a larger file, whose pictures are those of `sample`.
    force: replace the file whatever it is.
    keys: of a sample config: prompt, seeds, steps, cfg, ...

    Raises what `denoisecli live` says in a sentence.
    """
    config = build(SampleConfig, [flags(**keys)])
    return LivePage(make_live(config, Path(path), Report(), exact=exact, force=force))
