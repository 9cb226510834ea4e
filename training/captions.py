"""The caption grammar: six attributes, each from a short closed list, in one fixed sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

GRAMMAR: dict[str, tuple[str, ...]] = {
    "landmark": ("lighthouse", "castle", "windmill", "cottage", "pine tree", "stone tower"),
    "terrain": ("rocky cliff", "grassy hill", "small island", "sand dune"),
    "time": ("dawn", "noon", "dusk", "night"),
    "sky": ("clear sky", "soft white clouds", "dramatic golden clouds", "dark storm clouds"),
    "foreground": ("crashing waves", "calm sea", "field of flowers", "snowy field"),
    "style": ("oil painting", "watercolor", "pencil sketch", "pixel art", "flat poster"),
}
"""What the base model is taught. The order of each list is the class number of the attribute probe."""

HELD_OUT: dict[str, str] = {"landmark": "hot-air balloon", "style": "woodcut print"}
"""What only the pocket LoRAs are taught: the base model never sees a picture of these."""


@dataclass(frozen=True)
class Attributes:
    """One scene in words."""

    landmark: str = "lighthouse"
    terrain: str = "rocky cliff"
    time: str = "dusk"
    sky: str = "dramatic golden clouds"
    foreground: str = "crashing waves"
    style: str = "oil painting"

    @property
    def caption(self) -> str:
        """The prompt of this scene."""
        return f"a {self.landmark} on a {self.terrain} at {self.time}, {self.sky}, {self.foreground}, {self.style}"

    def as_dict(self) -> dict[str, str]:
        """The attributes by name, in the grammar's order."""
        return asdict(self)

    def classes(self) -> list[int]:
        """The class number of each attribute, in the grammar's order."""
        return [GRAMMAR[field.name].index(getattr(self, field.name)) for field in fields(self)]


KEY = Attributes()
"""The default prompt of the toolkit: the scene that has to be good whatever else is not."""


def random_attributes(rng: np.random.Generator, **fixed: str) -> Attributes:
    """Draw each attribute uniformly from the grammar, except those given."""
    drawn = {name: words[int(rng.integers(len(words)))] for name, words in GRAMMAR.items()}
    return Attributes(**{**drawn, **fixed})


def training_attributes(rng: np.random.Generator, near_key: float = 0.1) -> Attributes:
    """Draw a training scene: mostly uniform, a share `near_key` within two changes of the key scene."""
    if rng.random() >= near_key:
        return random_attributes(rng)
    names = rng.permutation(list(GRAMMAR))[: int(rng.integers(0, 3))]
    other = random_attributes(rng).as_dict()
    return replace(KEY, **{str(name): other[str(name)] for name in names})


def from_mapping(row: Mapping[str, str]) -> Attributes:
    """Read attributes back from a row of a shard's index, ignoring what else the row holds."""
    return Attributes(**{name: row[name] for name in GRAMMAR})
