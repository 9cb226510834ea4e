"""The runs of a walk: sampled batch by batch, decoded, put away on the disk, and looked at again one by one.

Memory holds the final latents of every frame, and the pictures of a few batches, however long the walk is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from denoisecli.errors import RunFolderError
from denoisecli.labs.sampling import Sample, Told, sample_each
from denoisecli.metrics import picture_distance, significant
from denoisecli.trace import Trace

from .pacing import better, jumps, neighbours, next_places, thinned
from .places import Place, even_places
from .way import Way

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job
    from denoisecli.media.picture_file import PictureWriter
    from denoisecli.runs.folder import RunFolder

    from .config import WalkConfig

BATCHES_IN_MEMORY = 4


class Samples(Sequence[Sample]):
    """The samples at a growing list of places, each made when it is asked for: all noises at once may be large."""

    def __init__(self, way: Way) -> None:
        self.way, self.places = way, list[Place]()

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self.way.sample(place) for place in self.places[index]]
        return self.way.sample(self.places[index])


class Kept:
    """What the finished batches left on the disk, by sample number."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.batches: list[list[int]] = []
        self.where: dict[int, tuple[range, int]] = {}
        self._read = lru_cache(maxsize=BATCHES_IN_MEMORY)(self._from_disk)

    def add(self, indices: list[int]) -> None:
        """Note that the batch of these samples is on the disk."""
        self.batches.append(indices)
        batch = range(indices[0], indices[-1] + 1)
        self.where |= {index: (batch, row) for row, index in enumerate(indices)}

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the finished picture, (H, W, 3)."""
        return self._row("picture", index)

    def guesses(self, index: int) -> NDArray[np.float32]:
        """Return the guesses x̂₀ at the states of the sheet but for the last, (row, C, h, w)."""
        return self._row("guesses", index)

    def clean(self, index: int) -> NDArray[np.float32]:
        """Return the final latents on the scale that a decoder takes, (C, h, w)."""
        return self._row("clean", index)

    def _row(self, name: str, index: int) -> NDArray[Any]:
        batch, row = self.where[index]
        found: NDArray[Any] = self._read(batch)[name][row]
        return found

    def _from_disk(self, batch: range) -> dict[str, NDArray[Any]]:
        found = self.folder.batches.get(batch)
        if found is None:
            raise RunFolderError(f"{self.folder.work} lost a batch while the run is being made.", "Run it again.")
        return found[0]


class Walker:
    """Samples places, and measures how different the pictures there are."""

    def __init__(self, job: Job[WalkConfig], model: Model, way: Way, states: Sequence[int]) -> None:
        from denoisecli.diffusion.decode import decoder

        self.job, self.model, self.states = job, model, list(states)
        self.samples, self.kept = Samples(way), Kept(job.folder)
        self.numbers: dict[Place, int] = {}
        self.finals: list[NDArray[np.float32]] = []
        self.record: dict[str, Any] = {}
        self.drawer = decoder(model, job.config.decode.finals)
        self.distance = lru_cache(maxsize=None)(self._distance)  # RMS difference of two finished pictures, 0 to 1

    def sample(self, places: Iterable[Place], then: Callable[[list[Place]], None] = lambda _: None) -> None:
        """Sample at these places; after every batch `then` is told which are there now."""
        start = len(self.samples)
        self.samples.places += places
        self.numbers |= {place: start + i for i, place in enumerate(self.samples.places[start:])}
        batch = self.job.config.batch or 1
        for indices, part in sample_each(self.job, self.model, self.samples, batch, start, self._thin, self._told):
            self.kept.add(indices)
            self.finals += list(part["final"])
            self.record = part.record
            then([self.samples.places[index] for index in indices])

    def _told(self, indices: list[int]) -> Told:
        return self.samples.way.told([self.samples.places[index] for index in indices])

    def picture(self, place: Place) -> NDArray[np.uint8]:
        """Return the finished picture of a place that has been sampled, (H, W, 3)."""
        return self.kept.picture(self.numbers[place])

    def guesses(self, place: Place) -> NDArray[np.float32]:
        """Return its guesses x̂₀ at the states of the sheet but for the last, (row, C, h, w)."""
        return self.kept.guesses(self.numbers[place])

    def final(self, place: Place) -> NDArray[np.float32]:
        """Return its final latents, (C, h, w)."""
        return self.finals[self.numbers[place]]

    def clean(self, place: Place) -> NDArray[np.float32]:
        """Return its final latents on the scale that a decoder takes, (C, h, w)."""
        return self.kept.clean(self.numbers[place])

    def _thin(self, whole: Trace) -> Trace:
        """Return what is kept of a batch: the final latents, their pictures, and the guesses that a sheet shows."""
        from denoisecli.scale import canvas_latents

        clean = canvas_latents(whole)[:, -1]
        with self.job.timed("decode"):
            picture = self.drawer.decode(clean)
        guesses = whole.x0[:, self.states[:-1]]
        arrays = {"final": whole.x_t[:, -1], "clean": clean, "guesses": guesses, "picture": picture}
        return Trace(whole.lab, arrays, whole.record)

    def _distance(self, a: Place, b: Place) -> float:
        return picture_distance(self.picture(a), self.picture(b))


def paced(walker: Walker) -> list[Place]:
    """Return where the frames go: known before anything is sampled in even pacing, found by sampling in the other."""
    config = walker.job.config
    even = even_places(config.legs, config.frames, loop=config.loop)
    extra = extra_runs(config, len(even))
    walker.job.report.stage("sample", (len(even) + extra) * config.steps)
    if config.pacing == "even":
        return even
    walker.sample(ends_first(even))
    return respaced(walker, even, extra)


def ends_first(places: Sequence[Place]) -> list[Place]:
    """Return the places with the ends before all others: the film shows them from its first frame on."""
    return sorted(places, key=lambda place: place.end is None)


def gather(
    walker: Walker,
    places: Sequence[Place],
    pictures: PictureWriter,
    jumps: NDArray[np.float64],
    then: Callable[[list[int]], None],
) -> None:
    """Sample what is not there yet, and put every frame into `pictures` and its changes into `jumps` as it comes.

    jumps: (frame,), of each frame to the next. then: is told which frames have come.
    """
    number = {place: frame for frame, place in enumerate(places)}
    after = dict(neighbours(range(len(places)), loop=walker.job.config.loop))
    before = {b: a for a, b in after.items()}
    there: set[int] = set()

    def come(found: Iterable[Place]) -> None:
        frames = sorted(number[place] for place in found if place in number)
        there.update(frames)
        with walker.job.timed("encode"):
            pictures.add("final", (((frame,), walker.picture(places[frame])) for frame in frames))
        for a in {*frames, *(before.get(frame, -1) for frame in frames)} & there:
            if after.get(a, -1) in there:
                jumps[a] = significant(walker.distance(places[a], places[after[a]]))
        then(frames)

    come([place for place in places if place in walker.numbers])
    walker.sample(ends_first([place for place in places if place not in walker.numbers]), come)


def jump_sizes(walker: Walker, places: Sequence[Place]) -> dict[str, dict[str, float] | None]:
    """Return the largest and the mean jump of as many frames spaced either way; None where it was not tried."""
    config = walker.job.config
    even = even_places(config.legs, config.frames, loop=config.loop)
    return {
        "even": jump_size(walker, even),
        "perceptual": jump_size(walker, places) if config.pacing != "even" else None,
    }


def extra_runs(config: WalkConfig, frames: int) -> int:
    """Return how many runs perceptual pacing may spend beyond the film's frames."""
    if config.pacing == "even":
        return 0
    return frames // 2 if config.extra is None else config.extra


def respaced(walker: Walker, even: list[Place], extra: int) -> list[Place]:
    """Return as many places, closer where the pictures change most; never with a larger jump than the even ones.

    Middles of the widest gaps are sampled until no jump is above the bound or `extra` runs are spent; then the frames
    that are missed least are left out.
    """
    config = walker.job.config
    places = list(even)
    while extra > 0:
        most = min(extra, config.batch or 1)
        found = next_places(places, walker.distance, most, config.largest_jump, loop=config.loop)
        if not found:
            break
        walker.sample(found)
        places = sorted([*places, *found])
        extra -= len(found)
    fewer = thinned(places, len(even), walker.distance, loop=config.loop)
    return list(better(fewer, even, walker.distance, loop=config.loop))


def jump_size(walker: Walker, places: Sequence[Place]) -> dict[str, float]:
    """Return the largest and the mean jump between neighbours, for the trace."""
    found = jumps(places, walker.distance, loop=walker.job.config.loop)
    return {"frames": len(places), "largest": round(max(found), 6), "mean": round(sum(found) / len(found), 6)}
