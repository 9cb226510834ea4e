"""The families' tiny pipelines as saved folders, each made once a session, with a LoRA where diffusers loads one."""

import pytest

from denoisecli.diffusion import loading
from tests.families.folders import FOLDERS, write_lora


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Return what makes a family's folder, or its LoRA file: folders("flux"), folders("flux", lora=True)."""
    root = tmp_path_factory.mktemp("families")

    def of(name, *, lora=False):
        if not (root / name).exists():
            pipe = FOLDERS[name]()
            pipe.save_pretrained(root / name)
            write_lora(pipe, root / f"{name}.safetensors")
        return root / f"{name}.safetensors" if lora else root / name

    return of


@pytest.fixture
def small_sizes(monkeypatch):
    """Let the two families that paint huge sizes of their own alone paint 64 x 64."""
    whole = loading.load_pipeline

    def load(path, dtype, *rest, **more):
        pipe = whole(path, dtype, *rest, **more)
        if path.name == "hidream":
            pipe.default_sample_size = 32
        if path.name == "kandinsky5":
            pipe.resolutions = [(64, 64)]
        return pipe

    monkeypatch.setattr(loading, "load_pipeline", load)
