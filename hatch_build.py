"""The README as the package index shows it: links and pictures lead to where [project.urls] says that the source is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


class Readme(MetadataHookInterface):
    """Makes README.md's relative links absolute, by the one place that names the source."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README's text in `metadata`."""
        source = metadata["urls"]["Source"].rstrip("/")

        def absolute(found: re.Match[str]) -> str:
            mark, text, path = found.groups()
            return f"{mark}[{text}]({source}/{'raw' if mark else 'blob'}/main/{path})"

        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": LINK.sub(absolute, text)}
