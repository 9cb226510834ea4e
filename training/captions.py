"""The caption grammar: attributes, each from a short closed list, in one fixed sentence; two may be left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

GRAMMAR: dict[str, tuple[str, ...]] = {
    "landmark": ("lighthouse", "castle", "windmill", "cottage", "pine tree", "stone tower", "church", "bridge", "boat"),
    "terrain": ("rocky cliff", "grassy hill", "small island", "sand dune"),
    "time": ("dawn", "noon", "dusk", "night"),
    "sky": ("clear sky", "soft white clouds", "dramatic golden clouds", "dark storm clouds"),
    "foreground": ("crashing waves", "calm sea", "field of flowers", "snowy field"),
    "style": ("oil painting", "watercolor", "pencil sketch", "pixel art", "flat poster"),
    "colour": ("red", "blue", "white"),
    "side": ("left", "right"),
}
"""What the base model is taught. The order of each list is the class number of the attribute probe."""

LEFT_OUT: dict[str, float] = {"colour": 0.5, "side": 0.5}
"""How often a scene says nothing of an attribute: the landmark has its own colour then, and stands anywhere."""
GREY = ("pencil sketch",)
"""Styles without colour: no scene of theirs tells one."""
UNTOLD = -100
"""The class number of what a scene does not tell; the one that cross-entropy leaves out."""

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
    colour: str = ""
    side: str = ""

    @property
    def caption(self) -> str:
        """The prompt of this scene."""
        subject = f"a {self.colour} {self.landmark}" if self.colour else f"a {self.landmark}"
        place = f"on a {self.terrain} on the {self.side}" if self.side else f"on a {self.terrain}"
        return f"{subject} {place} at {self.time}, {self.sky}, {self.foreground}, {self.style}"

    def as_dict(self) -> dict[str, str]:
        """The attributes by name, in the grammar's order; empty is what is not told."""
        return asdict(self)

    @property
    def told(self) -> dict[str, str]:
        """The attributes that are told, by name."""
        return {name: words for name, words in self.as_dict().items() if words}

    def classes(self) -> list[int]:
        """The class number of each attribute, in the grammar's order; UNTOLD where it is empty."""
        told = ((GRAMMAR[field.name], getattr(self, field.name)) for field in fields(self))
        return [words.index(word) if word else UNTOLD for words, word in told]


KEY = Attributes()
"""The default prompt of the toolkit: the scene that has to be good whatever else is not."""


def random_attributes(rng: np.random.Generator, **fixed: str) -> Attributes:
    """Draw each attribute uniformly from the grammar, or leave it out where that may be, except those given."""
    drawn = {name: words[int(rng.integers(len(words)))] for name, words in GRAMMAR.items()}
    drawn |= {name: "" for name, share in LEFT_OUT.items() if rng.random() < share}
    if {**drawn, **fixed}["style"] in GREY:
        drawn["colour"] = ""
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
    return Attributes(**{name: row.get(name, "") if name in LEFT_OUT else row[name] for name in GRAMMAR})
