"""The page of nodes says what the reader's tables say."""

from pathlib import Path

from denoisecli.interop.comfyui.conditions import ROLES
from denoisecli.interop.comfyui.table import page

PAGE = Path(__file__).parents[3] / "docs" / "comfyui-nodes.md"
WAY = "python -c 'from denoisecli.interop.comfyui.table import page; print(page(), end=str())' > docs/comfyui-nodes.md"


def test_the_page_is_the_table():
    assert PAGE.read_text(encoding="utf-8") == page(), WAY


def test_every_role_is_on_it():
    assert all(f"| {kind} |" in page() for kind in ROLES)
