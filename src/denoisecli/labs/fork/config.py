"""What a config of the fork lab holds."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from denoisecli.config.base import SPLIT, Closed, Lora, SamplerName, SamplingConfig
from denoisecli.config.fields import MAX_SEED, Int, Name, Scale, Text, did_you_mean, number_text
from denoisecli.config.phases import start_state
from denoisecli.safe_text import brief, shown

TO_PROMPT = "a castle on a rocky cliff at night, clear sky, calm sea, oil painting"
MOST_FORKS = 64


def _states(value: Any) -> Any:
    """Take one state for a list of one. Raises ValueError for what counts no state."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    wrong = next((item for item in items if isinstance(item, bool) or not isinstance(item, int)), None)
    if wrong is not None:
        raise ValueError(f"{shown(wrong)} is not a state: at counts states, in whole numbers, from 0, the noise")
    return tuple(items)


class Change(Closed):
    """What is changed at a fork; a key that is null stays as it is."""

    prompt: Annotated[Text, Field(max_length=100_000)] | None = None
    """paint this from here on"""
    negative_prompt: Annotated[Text, Field(max_length=100_000)] | None = None
    """keep away from this from here on"""
    cfg: Scale | None = None
    """guidance scale from here on; 1 is none"""
    loras: tuple[Lora, ...] | None = None
    """LoRAs from here on instead of the config's: [{file: style.safetensors, scale: 0.8}]"""
    sampler: SamplerName | None = None
    """sampler from here on; it begins without a history, at the same noise level"""
    noise: Annotated[Int, Field(ge=0, le=MAX_SEED)] | None = None
    """the finished picture, noised anew to the state's level: the seed of the first run's noise, the next its next"""

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Take text for a prompt, and `cfg=1` (or several, in a list) for that key."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            return value
        changed: dict[str, Any] = {}
        for text in texts:
            key, equals, rest = text.partition("=")
            known = bool(equals) and key.strip() in cls.model_fields
            if equals and not known and (guess := _slip(key, list(cls.model_fields))):
                raise ValueError(f'"{key.strip()}" is no key of it{guess} For a prompt, write prompt={brief(text)}')
            changed[key.strip() if known else "prompt"] = _read(key.strip(), rest.strip()) if known else text
        return changed

    def texts(self) -> list[str] | None:
        """Return what `--to` takes for the same change; None where words cannot say it."""
        found = []
        for key, value in self.changed.items():
            text = number_text(value) if isinstance(value, float) else str(value)
            if key == "prompt" and "=" not in text:  # else its first word might be taken for a key
                found.append(text)
            elif key == "loras" or text != text.strip():
                return None
            else:
                found.append(f"{key}={text}")
        return found

    @property
    def changed(self) -> dict[str, Any]:
        """The keys that are not null, with their values."""
        return {key: value for key in type(self).model_fields if (value := getattr(self, key)) is not None}


def _slip(key: str, known: list[str]) -> str:
    """Return '; did you mean "cfg"?' for what stands before an = and is nearly a key; '' for other words."""
    return did_you_mean(key.strip(), known) if re.fullmatch(r"\s*[a-z_]{2,20}\s*", key) else ""


def _read(key: str, text: str) -> Any:
    """Return the value that `key=text` means: numbers where the key has them, else the text."""
    kind = {"cfg": float, "noise": int}.get(key)
    try:
        return kind(text) if kind else [text] if key == "loras" else text
    except ValueError:
        return text  # the key's own rule says what it wants


class ForkConfig(SamplingConfig):
    """What was decided when: one run, taken up at several states with one thing changed."""

    lab: Literal["fork"] = "fork"
    """which instrument this config is for"""
    run: Name | None = None
    """a stored run of sample or fork to take up, instead of the settings below; they are then that run's"""
    at: Annotated[tuple[int, ...], BeforeValidator(_states)] | None = None
    """states at which the run is taken up, 0 the noise; null: every other one"""
    to: Change = Change(prompt=TO_PROMPT)
    """what is changed there: prompt, negative_prompt, cfg, loras, sampler or noise (a seed)"""
    batch: Annotated[Annotated[Int, Field(ge=1, le=1024)] | None, SPLIT] = None
    """samples at once; null takes what fits. The split belongs to the run: it changes the last bits"""

    draft: ClassVar[dict[str, Any]] = {"seeds": (7,), "steps": 10}

    @classmethod
    def draft_for(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave a stored run's settings alone."""
        return {} if values.get("run") else dict(cls.draft)

    @field_validator("at")
    @classmethod
    def _each_once(cls, at: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if at is None:
            return None
        if not 1 <= len(at) <= MOST_FORKS:
            raise ValueError(f"{len(at)} states; want 1 to {MOST_FORKS}")
        twice = next((state for i, state in enumerate(at) if state in at[:i]), None)
        if twice is not None:
            raise ValueError(f"state {twice} is there twice")
        return tuple(sorted(at))

    @model_validator(mode="after")
    def _something_changes(self) -> ForkConfig:
        changed = self.to.changed
        if not changed:
            raise ValueError('to changes nothing; give a key of it, such as to: {prompt: "a castle at night"}')
        if "noise" in changed and len(changed) > 1:
            others = ", ".join(key for key in changed if key != "noise")
            raise ValueError(
                f"to has noise and {others}: noising anew is an experiment of its own, so give one of them"
            )
        return self

    @model_validator(mode="after")
    def _noise_of_one_size(self) -> ForkConfig:
        if self.to.noise is not None and any((phase.scale or 1) > 1 for phase in self.phases):
            raise ValueError("to: noise noises the finished picture to every level, so leave scale out of the phases")
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """The texts that the model is told to paint: before the forks and behind them."""
        return (*super().prompts, *([self.to.prompt] if self.to.prompt is not None else []))

    @property
    def worn(self) -> tuple[Lora, ...]:
        """All LoRAs that it names, wherever."""
        return (*super().worn, *(self.to.loras or ()))

    @property
    def begins(self) -> int:
        """The state at which the run begins to be sampled: 0 unless it starts from a picture."""
        return start_state(self.start.strength, self.steps, self.sampler) if self.start else 0

    @property
    def forks(self) -> tuple[int, ...]:
        """The states at which the run is taken up."""
        return tuple(range(self.begins, self.steps, 2)) if self.at is None else self.at

    @model_validator(mode="after")
    def _states_that_are_there(self) -> ForkConfig:
        late = next((state for state in self.at or () if not 0 <= state < self.steps), None)
        if late is not None and self.run is None:
            raise ValueError(no_state(late, self.steps))
        return self


def changed_config(config: ForkConfig) -> ForkConfig:
    """Return the settings behind a fork: what is changed there holds in every phase that follows."""
    named = {key: value for key, value in config.to.changed.items() if key != "noise"}
    phases = tuple(phase.model_copy(update=named) for phase in config.phases)
    return config.model_copy(update=named | {"phases": phases})


def no_state(state: int, steps: int) -> str:
    """Return the sentence for a state that a run cannot be taken up at."""
    if state == steps:
        return f"at: state {state} is the finished picture, and nothing follows it (want 0 to {steps - 1})"
    return f"at: there is no state {shown(state)} in a run of {steps} steps (want 0 to {steps - 1})"
