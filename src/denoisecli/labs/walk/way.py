"""What starts a run at each place of a walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisecli.config.phases import start_state
from denoisecli.labs.sampling import Sample, Told
from denoisecli.labs.start import opened_picture

from .places import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from denoisecli.diffusion.models import Model
    from denoisecli.diffusion.noised import Picture

    from .config import WalkConfig

NOUNS = {"seeds": "seed", "prompts": "prompt", "scales": "cfg", "strengths": "LoRA", "images": "picture"}


class Way:
    """Turns places into samples: between noises on their great arc, between prompts, scales or strengths straight."""

    def __init__(self, config: WalkConfig, model: Model) -> None:
        from denoisecli.diffusion.canvas import noise_for
        from denoisecli.diffusion.embeddings import encoded
        from denoisecli.diffusion.inversion import inverted

        width, height = config.size or model.info.native_size[::-1]
        self.config = config
        self.kind = config.between.kind if config.between else "seeds"
        self.noises = noise_for(model.pipe, config.seeds, (width, height))
        self.pictures: list[Picture] = []
        self.inverted = bool(config.between and config.between.inversion)
        if self.inverted:
            self.noises = inverted(model, self._seen((width, height)), config.prompt, config.steps)
        elif self.kind == "images":
            self.pictures = self._encoded(model, (width, height))
        prompts: Sequence[str] = config.ends if self.kind == "prompts" else ()
        self.embeddings = [
            encoded(model, prompt, config.negative_prompt, config.prompt_syntax, config.clip_skip) for prompt in prompts
        ]

    def _seen(self, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
        """Return the pictures at the ends, cut to the run's size as `start` cuts them."""
        return [opened_picture(key, image, size).picture for key, image in self.config.pictures]

    def _encoded(self, model: Model, size: tuple[int, int]) -> list[Picture]:
        """Return the pictures' latents, with the one noise."""
        from denoisecli.diffusion.start import picture_of

        return [picture_of(model, one, self.config.seeds[:1], [None]) for one in self._seen(size)]

    @property
    def state(self) -> int:
        """The state at which its runs begin: 0 unless they start from pictures."""
        between = self.config.between
        return start_state(between.share, self.config.steps, self.config.sampler) if between and self.pictures else 0

    def told(self, places: Sequence[Place]) -> Told:
        """Return what runs at these places of one leg, or several, start from."""
        from denoisecli.diffusion.start import between, side_by_side

        if not self.pictures:
            return Told()
        each = []
        for place in places:
            a, b = (self.pictures[end] for end in self.between(place))
            each.append(between(a, b, place.share))
        return Told(opened=side_by_side(each, self.state))

    def noise(self, place: Place) -> NDArray[np.float32]:
        """Return the starting noise, (C, h, w), unit normal: `slerp` of the leg's two, or the one that there is."""
        from denoisecli.diffusion.noise import slerp

        if self.pictures:
            return np.asarray(self.pictures[0].noise[0].float().numpy())
        if not self.turns:
            return np.asarray(self.noises[0].numpy())
        first, second = self.between(place)
        return np.asarray(slerp(self.noises[first], self.noises[second], place.share).numpy())

    def sample(self, place: Place) -> Sample:
        """Return what a run at this place starts from. What a sampler draws on the way is the first seed's, always."""
        from denoisecli.diffusion.embeddings import between

        first, second = self.between(place)
        config, noise = self.config, self.noise(place)
        embeds = (
            between(self.embeddings[first], self.embeddings[second], place.share) if self.kind == "prompts" else None
        )
        strength = self.value(place) if self.kind == "strengths" else None
        return Sample(config.seeds[0], self.cfg(place), noise, embeds, strength)

    @property
    def turns(self) -> bool:
        """Whether it goes between noises."""
        return self.kind == "seeds" or self.inverted

    def between(self, place: Place) -> tuple[int, int]:
        """Return the numbers of the ends of this place's leg."""
        return place.leg, (place.leg + 1) % len(self.config.ends)

    def cfg(self, place: Place) -> float:
        """Return the guidance scale at this place."""
        return self.value(place) if self.kind == "scales" else self.config.cfg

    def value(self, place: Place) -> float:
        """Return the number between the leg's ends, where they are numbers that can be mixed."""
        a, b = (float(self.config.ends[number]) for number in self.between(place))
        return b if place.share == 1 else a + place.share * (b - a)

    def angle(self, leg: int) -> float | None:
        """Return the angle in degrees between the noises of a leg's ends; near 90° for independent ones."""
        if not self.turns:
            return None
        a, b = (self.noises[number].double().flatten() for number in self.between(Place(leg, 0.0)))
        return float(np.degrees(np.arccos(np.clip(float(a @ b / (a.norm() * b.norm())), -1, 1))))

    def name(self, end: int) -> str:
        """Return what an end is called in figures: seed 7, prompt 2, cfg 7.5."""
        number = end % len(self.config.ends)
        value = number + 1 if self.kind in ("prompts", "images") else self.config.ends[number]
        return f"{NOUNS[self.kind]} {value:g}" if isinstance(value, float) else f"{NOUNS[self.kind]} {value}"
