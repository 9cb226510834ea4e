"""The finished batches of a run in the making: kept in its `work/`, so that an interrupted run goes on behind them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli.safe_files import read_file, write_file
from denoisecli.trace_files import read_arrays, read_table, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SPLIT = 1 << 10  # bytes of the note


@dataclass(frozen=True)
class BatchStore:
    """Batches by the numbers of their samples, which follow each other: arrays, and what was recorded with them.

    folder: `work/` of the run. series: a run may sample the same numbers several times (variants, say); each series has
    batches of its own, and all share the split, since they share the memory that it came of.
    """

    folder: Path
    series: str = ""

    def of(self, series: str) -> BatchStore:
        """Return the store of one series."""
        return replace(self, series=series)

    def get(self, indices: Sequence[int]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Return the arrays and the record of this batch; None where it is not there.

        One that a crash of the machine tore is deleted, to be made again.
        """
        file = self._file(indices)
        record = read_table(file.with_suffix(".json"))
        try:
            arrays = read_arrays(file)
        except OSError:
            return None
        except ValueError:
            file.unlink()
            return None
        return None if record is None else (arrays, record)

    def put(self, indices: Sequence[int], arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> None:
        """Keep a finished batch. Its arrays come last: where they are, all is."""
        file = self._file(indices)
        write_file(file.with_suffix(".json"), json.dumps(record).encode())
        write_arrays(dict(arrays), file)

    def length_from(self, first: int) -> int | None:
        """Return how many samples the kept batch has that begins with this one; None where there is none.

        The split may have changed on the way, so only the files know.
        """
        names = sorted(file.stem for file in self.folder.glob(f"{self._start(first)}*.safetensors"))
        lengths = [int(number) for name in names if (number := name.rpartition("-")[2]).isdecimal()]
        return next((length for length in lengths if length), None)

    @property
    def split(self) -> int | None:
        """How many samples go at once since memory ran out; None where it never did."""
        with contextlib.suppress(OSError, ValueError):
            return max(1, int(read_file(self.folder / "batch", MOST_SPLIT, links=False)))
        return None

    def keep_split(self, batch: int) -> None:
        """Let no more than this go at once from now on, also after an interruption."""
        write_file(self.folder / "batch", str(batch).encode())

    def __bool__(self) -> bool:
        """Whether there is a batch, of whichever series."""
        return any(self.folder.glob("*batch-*.safetensors"))

    def _start(self, first: int) -> str:
        return f"{self.series}{'-' if self.series else ''}batch-{first:05d}-"

    def _file(self, indices: Sequence[int]) -> Path:
        return self.folder / f"{self._start(indices[0])}{len(indices)}.safetensors"
