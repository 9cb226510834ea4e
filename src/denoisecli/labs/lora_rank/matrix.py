"""The lora-rank toy: one small matrix as ΔW, cut to every rank. NumPy alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import MediaError, UsageError
from denoisecli.safe_files import check_file, why
from denoisecli.trace import Trace

from .config import LoraRankConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.job import Job

    from .figures.matrix import RankedMatrix

BOLT = """
................
........#####...
.......#####....
.......#####....
......#####.....
......#####.....
.....#####......
.....#########..
....#########...
....########....
.......####.....
......####......
......###.......
.....###........
.....##.........
................
"""
"""A bolt of lightning, 16 × 16: of rank 10, and told by its first three singular values."""

LONGEST_PICTURE = 192  # pixels: larger pictures are reduced to it
LONGEST_MATRIX = 4096
LARGEST = 1e40  # squares of them, added up and squared again, stay in float64's range
MOST_STOPS = 32


def bolt() -> NDArray[np.float64]:
    """Return the built-in ΔW, 16 × 16 of zeros and ones."""
    return np.array([[cell == "#" for cell in line] for line in BOLT.split()], dtype=np.float64)


def read_matrix(path: Path) -> NDArray[np.float64]:
    """Return a picture (its grey levels, 0..1) or a .npy matrix. Raises MediaError for what is neither."""
    if path.suffix.lower() == ".npy":
        return _read_npy(path)
    from PIL import Image

    from denoisecli.media.images import open_picture

    picture = open_picture(path).convert("L")
    picture.thumbnail((LONGEST_PICTURE, LONGEST_PICTURE), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.float64) / 255


def _read_npy(path: Path) -> NDArray[np.float64]:
    """Read an array without running any code in it, and without taking memory before its shape is known."""
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a matrix.", "Name a .npy file or a picture.")
    try:
        check_file(path)
    except OSError as error:
        raise MediaError(f"{path} {why(error)}.") from None
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - Python's tokenizer reads the header, and raises its own kinds
        said = " ".join(str(error).split())[:120]
        raise MediaError(f"{path} cannot be read as a matrix: {said}.", "Save it with numpy.save.") from None
    if found.ndim != 2 or found.dtype.kind not in "fiub" or 0 in found.shape:
        shape = "×".join(map(str, found.shape)) or "one number"
        raise MediaError(f"{path} is not a matrix of numbers: it holds {shape} of {found.dtype}.", "Give a 2-D array.")
    if max(found.shape) > LONGEST_MATRIX:
        raise MediaError(f"{path} is {found.shape[0]}×{found.shape[1]}; at most {LONGEST_MATRIX} a side are taken.")
    matrix = np.asarray(found, dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise MediaError(f"{path} holds NaN or infinite numbers.")
    if np.abs(matrix).max() > LARGEST:
        raise MediaError(f"{path} holds numbers above {LARGEST:g}.", "Divide it by a power of ten first.")
    return matrix


def resolved(config: LoraRankConfig) -> tuple[LoraRankConfig, str]:
    """Return the config with its ranks named, and the identity of the matrix. Raises UsageError for ranks too high."""
    matrix = read_matrix(Path(config.matrix)) if config.matrix else bolt()
    most = min(matrix.shape)
    ranks = config.ranks or ranks_to_show(most)
    if ranks[-1] > most:
        rows, columns = matrix.shape
        hint = f"Take ranks up to {most}."
        raise UsageError(f"ranks: {ranks[-1]} is more than a {rows}×{columns} matrix can have.", hint)
    import hashlib

    identity = hashlib.sha256(repr(matrix.shape).encode() + matrix.tobytes()).hexdigest()
    return config.model_copy(update={"ranks": ranks}), identity


def ranks_to_show(most: int) -> tuple[int, ...]:
    """Return the ranks that are shown where none are named: each, or MOST_STOPS of them, closer at the low end."""
    if most <= MOST_STOPS:
        return tuple(range(1, most + 1))
    spread = np.geomspace(1, most, MOST_STOPS)
    return tuple(sorted({round(float(rank)) for rank in spread}))


def cut_matrix(name: str, matrix: NDArray[np.float64], ranks: tuple[int, ...]) -> RankedMatrix:
    """Return the matrix with its factors B = U√σ and A = √σVᵀ at each rank, and the numbers about each.

    error: ‖ΔW − B·A‖ / ‖ΔW‖, measured on the product; optimum: √Σ_{i>r} σᵢ² / ‖ΔW‖, which no rank-r matrix beats
    (Eckart & Young 1936).
    """
    from .figures.matrix import RankedMatrix

    u, values, vt = np.linalg.svd(matrix, full_matrices=False)
    signs = np.where(u.sum(axis=0) < 0, -1.0, 1.0)  # (−u)·(−v) is u·v; this way round B is more often positive
    u, vt = u * signs, signs[:, None] * vt
    root = np.sqrt(values)
    cuts = tuple((u[:, :rank] * root[:rank], root[:rank, None] * vt[:rank]) for rank in ranks)
    rows = tuple(_row(matrix, values, *cut) for cut in cuts)
    return RankedMatrix(name, matrix, values, ranks, cuts, rows)


def _row(matrix: NDArray[Any], values: NDArray[Any], B: NDArray[Any], A: NDArray[Any]) -> dict[str, Any]:
    rank, size = B.shape[1], float(np.linalg.norm(matrix)) or 1.0
    error = float(np.linalg.norm(matrix - B @ A)) / size
    optimum = float(np.sqrt(np.sum(np.square(values[rank:])))) / size
    energy = float(np.sum(np.square(values[:rank]))) / size**2
    return {"rank": rank, "energy": min(energy, 1.0), "params": B.size + A.size, "full_params": matrix.size,
            "error": error, "optimum": optimum}  # fmt: skip


def make(job: Job[LoraRankConfig]) -> Trace:
    """Cut the matrix to every rank, and draw it."""
    config = job.config
    with job.timed("sample"):
        matrix = read_matrix(Path(config.matrix)) if config.matrix else bolt()
        subject = cut_matrix(config.title, matrix, config.ranks or ranks_to_show(min(matrix.shape)))
    arrays = {"delta_w": matrix, "singular_values/delta_w": subject.values}
    record = {"runs": list(subject.rows), "matrix": {"name": config.title, "shape": list(matrix.shape),
              "rank": int(np.linalg.matrix_rank(matrix))}}  # fmt: skip
    trace = Trace("lora-rank", arrays, record)
    job.leave(draw, trace)
    return trace


def draw(job: Job[LoraRankConfig], trace: Trace) -> None:
    """Draw the film, the contact sheet and the page, from the matrix that the trace holds."""
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.labs.pages import write_page
    from denoisecli.media.images import save_png

    from .figures.matrix import matrix_frames, matrix_sheet
    from .page import matrix_page

    partial, style = job.folder.partial, film_style(job)
    matrix = trace["delta_w"]
    subject = cut_matrix(job.config.title, matrix, job.config.ranks or ranks_to_show(min(matrix.shape)))

    def film(job: Job[LoraRankConfig]) -> None:
        frames = matrix_frames(subject, style)
        write_state_film(job, frames, len(subject.ranks), partial / "film.mp4", record=trace.record)

    def sheet(job: Job[LoraRankConfig]) -> None:
        job.artifact(save_png(matrix_sheet(subject, style.theme), partial / "sheet.png"), "sheet")

    job.draw(film, sheet)
    whole = cut_matrix(job.config.title, matrix, (min(matrix.shape),))
    write_page(job, matrix_page(whole), {}, ("ranks",) if job.config.ranks == ranks_to_show(min(matrix.shape)) else ())
