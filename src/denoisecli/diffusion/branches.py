"""Which evaluation of the denoiser was which: proven against what the scheduler received.

A guided step mixes branches: u without the prompt, c with it, and perhaps more (skip-layer or perturbed attention
guidance). In g = ±(u + s·(c − u) + Σ w·(c − x)) all but s, w and the sign are known, so least squares give them, and
what remains tells how true the formula is. Some set x against u instead: Σ w·(u − x). A norm after the mixing
(Qwen-Image, Lumina 2) shows as a gain on each row. Where a pipeline makes something of every output and x_t before it
mixes (Cosmos), that is solved for, too.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from .denoiser import WITHOUT_PROMPT, cuts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .attention import Heard

EXACT = 1e-5
"""A residual below this is rounding, in float32. Half precision rounds at about 1e-2 (`_tolerance`)."""
NEARLY = 1e-3
"""A residual below this is rounding where large numbers cancel: σ of 80 against a latent of 1."""

OF_THREE = {
    "StableDiffusionInstructPix2PixPipeline": ("cond", "uncond", "without picture"),
    "StableDiffusionXLInstructPix2PixPipeline": ("cond", "uncond", "without picture"),
    "DreamLitePipeline": ("without picture", "uncond", "cond"),
    "OmniGenPipeline": ("cond", "without picture", "uncond"),
}
"""What three predictions in one batch are, where the third is not that of perturbed attention: neither words nor the
picture that is followed. g = u + s·(c − u) + (i − 1)·(u − x), i the pipeline's scale for the picture."""
EXTRAS = {"StableDiffusionSAGPipeline": "self-attention"}
"""What an evaluation beside the two halves is for, where it is set against u. Source: Hong et al. 2023, 2210.00939."""
AGAINST_UNCOND = {"without picture", "self-attention"}


@dataclass(frozen=True)
class Output:
    """What one evaluation returned, (k·n, ...): its rows, the denoiser's name, the name the pipeline gave it."""

    rows: torch.Tensor
    denoiser: str
    context: str | None = None
    extra: str | None = None  # the name of what this evaluation is for, where its arguments say so
    listed: bool = False  # it was a list, one tensor a sample: the conditional ones come first then (Z-Image)
    heard: Heard | None = None  # what its rows read of the text, where that is listened to


@dataclass(frozen=True)
class Branch:
    """One evaluation of all n samples, uncut, and its role: uncond, cond, or the name of another."""

    rows: torch.Tensor
    role: str
    heard: Heard | None = None


@dataclass(frozen=True)
class Mixture:
    """How a step's output g came from its branches; tensors as the pipeline lays them out, in the scheduler's sign.

    scales: s of each sample; None where it is not a number, or the pipeline made something else of one branch.
    residual: ‖g − formula‖ / ‖g‖.
    gain: mean factor on the rows, where a norm was applied after the mixing.
    exchanged: what was taken for the unconditional branch is the conditional one.
    preconditioned: cond and uncond are a·x_t + b·output, what the scheduler would have got of that branch alone.
    """

    cond: torch.Tensor
    uncond: torch.Tensor | None = None
    extras: dict[str, torch.Tensor] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    sign: int = 1
    scales: tuple[float | None, ...] = ()
    residual: float = 0.0
    gain: float | None = None
    exchanged: bool = False
    preconditioned: bool = False

    @property
    def half_without(self) -> torch.Tensor:
        """The half without the prompt; where it was not run, the conditional one, which was used in its place."""
        return self.cond if self.uncond is None else self.uncond

    @property
    def scale(self) -> float | None:
        """The mean scale of the samples; None where none could be measured."""
        known = [scale for scale in self.scales if scale is not None]
        return sum(known) / len(known) if known else None

    @property
    def uneven(self) -> bool:
        """Whether the samples have scales of their own."""
        known = [scale for scale in self.scales if scale is not None]
        return bool(known) and max(known) - min(known) > 1e-3 * max(1.0, abs(known[0]))


def branches_of(outputs: Sequence[Output], n: int, *, perturbed: bool = False, pipeline: str = "") -> list[Branch]:
    """Return the branches of one step with their presumed roles, the unconditional one first where there is one.

    perturbed: the pipeline runs perturbed-attention guidance without the unconditional half. pipeline: its class.
    """
    named: list[tuple[Output, torch.Tensor, int, int]] = []
    for output in outputs:
        chunks = torch.split(output.rows, n)
        named += [(output, chunk, place, len(chunks)) for place, chunk in enumerate(chunks)]
    of_three = OF_THREE.get(pipeline, ("uncond", "cond", "perturbed attention"))
    roles = [_role(output, place, chunks, of_three) for output, _, place, chunks in named]
    if perturbed and roles == ["uncond", "cond"]:
        roles = ["cond", "perturbed attention"]
    found = [
        Branch(rows, role, output.heard and output.heard.rows(slice(place * n, (place + 1) * n)))
        for (output, rows, place, _), role in zip(named, _completed(roles, EXTRAS.get(pipeline, "extra")), strict=True)
    ]
    order = {"uncond": 0, "cond": 1}
    return sorted(found, key=lambda branch: order.get(branch.role, 2))


def _role(output: Output, place: int, chunks: int, of_three: Sequence[str]) -> str | None:
    """Return the role that the names, or the place in a batch of halves, say; None where nothing does."""
    if output.extra:
        return output.extra
    if output.denoiser in WITHOUT_PROMPT:
        return "uncond"
    if output.context:
        known = {"cond": "cond", "uncond": "uncond", "pred_cond": "cond", "pred_uncond": "uncond"}
        return known.get(output.context, output.context if chunks == 1 else None)
    if chunks == 1:
        return None
    if output.listed:
        return ("cond", "uncond", "extra")[min(place, 2)]
    return of_three[min(place, 2)] if chunks > 2 else ("uncond", "cond")[place]


def _completed(roles: list[str | None], extra: str) -> list[str]:
    """Give the roles that nobody named: the first evaluation has the prompt, the second has not, others are extra."""
    free = iter([role for role in ("cond", "uncond") if role not in roles])
    taken: list[str] = []
    for role in roles:
        wanted = role or next(free, extra)
        number = 2
        while wanted in taken:
            wanted = f"{(role or extra)} {number}"
            number += 1
        taken.append(wanted)
    return taken


def mixture(branches: Sequence[Branch], g: torch.Tensor, x_t: torch.Tensor | None = None) -> Mixture | None:
    """Return how g, (n, ...), came from the branches: the assignment and the sign with the smallest residual.

    x_t: (n, ...), of which the pipeline may have put a share to every branch. Channels of g behind those of x_t are a
    learned variance, which nobody guides (DeepFloyd). On Apple's device, which has no float64, it is solved on the CPU,
    and its tensors lie there.
    """
    if not branches:
        return None
    if g.device.type == "mps":
        here = [replace(branch, rows=branch.rows.cpu()) for branch in branches]
        return mixture(here, g.cpu(), None if x_t is None else x_t.cpu())
    if x_t is not None and g.ndim == x_t.ndim and g.shape[1] > x_t.shape[1]:
        g = g[:, : x_t.shape[1]]
    ways = list(itertools.product(*(cuts(branch.rows, g) for branch in branches)))
    roles = [branch.role for branch in branches]
    found = [_solved(dict(zip(roles, rows, strict=True)), g) for rows in ways]
    best = min(found, key=lambda way: way.residual)
    if x_t is None or x_t.shape != g.shape or sorted(roles) != ["cond", "uncond"] or best.gain is not None:
        return best
    if best.residual <= _tolerance(g):
        return best
    tried = [_preconditioned(dict(zip(roles, rows, strict=True)), g, x_t) for rows in ways]
    return min([best, *(way for way in tried if way.residual < NEARLY)], key=lambda way: way.residual)


def _preconditioned(rows: dict[str, torch.Tensor], g: torch.Tensor, x_t: torch.Tensor) -> Mixture:
    """Solve g = a·x_t + b·(u + s·(c − u)) for a, b and s of each sample. Source: Karras et al. 2022, eq. 7."""
    x, u, c = (tensor.double() for tensor in (x_t, rows["uncond"], rows["cond"]))
    solved = _least_squares([x, u, c - u], g)
    a, b, d = (_spread(solved[:, i], x) for i in range(3))
    fit = a * x + b * u + d * (c - u)
    residual = float(_norm(g - fit) / _norm(g).clamp_min(1e-30))
    scales = _scales((solved[:, 2] / solved[:, 1]).tolist())
    cond, uncond = ((a * x + b * half).to(g.dtype) for half in (c, u))
    return Mixture(cond, uncond, scales=scales, residual=residual, preconditioned=True)


def _solved(rows: dict[str, torch.Tensor], g: torch.Tensor) -> Mixture:
    known = {role: tensor.to(g.dtype) for role, tensor in rows.items()}
    if "cond" not in known:
        known = {"cond": next(iter(known.values()))}
    if len(known) == 1:
        return _alone(known["cond"], g)
    return min((_mixed(known, g, sign) for sign in (1, -1)), key=lambda way: way.residual)


def _alone(cond: torch.Tensor, g: torch.Tensor) -> Mixture:
    """One branch: g is that, with either sign; where it is neither, the pipeline made something else of it."""
    ways = [(float(_norm(g - sign * cond) / _norm(g).clamp_min(1e-30)), sign) for sign in (1, -1)]
    residual, sign = min(ways)
    if residual > _tolerance(g):
        return Mixture(g, scales=(None,) * len(g), residual=residual)
    return Mixture(sign * cond, sign=sign, scales=(1.0,) * len(g), residual=residual)


def _mixed(known: dict[str, torch.Tensor], g: torch.Tensor, sign: int) -> Mixture:
    """Solve g = sign·(u + s·(c − u) + Σ w·(c − x)) for s of each sample, and w."""
    signed = {role: sign * tensor for role, tensor in known.items()}
    c, u = signed["cond"], signed.get("uncond")
    extras = {role: tensor for role, tensor in signed.items() if role not in ("cond", "uncond")}
    base = c if u is None else u
    columns = ([] if u is None else [c - u]) + [
        (u if u is not None and role in AGAINST_UNCOND else c) - x for role, x in extras.items()
    ]
    solved = _least_squares(columns, g - base)
    fit = base + sum(_spread(solved[:, i], base) * column.double() for i, column in enumerate(columns))
    residual = float(_norm(g - fit) / _norm(g).clamp_min(1e-30))
    scales = [1.0] * len(g) if u is None else solved[:, 0].tolist()
    weights = solved[:, (0 if u is None else 1) :].mean(dim=0).tolist()
    made = Mixture(c, u, extras, dict(zip(extras, weights, strict=True)), sign, _scales(scales), residual)
    if u is not None and not extras and residual > _tolerance(g):
        return _with_gain(made, g)
    return _ordered(made)


def _ordered(made: Mixture) -> Mixture:
    """Exchange u and c where s came out negative: u + s·(c − u) = c + (1 − s)·(u − c)."""
    known = [scale for scale in made.scales if scale is not None]
    if made.uncond is None or made.extras or not known or min(known) >= -1e-3:
        return made
    scales = tuple(None if scale is None else 1 - scale for scale in made.scales)
    return Mixture(made.uncond, made.cond, {}, {}, made.sign, scales, made.residual, made.gain, exchanged=True)


def _with_gain(made: Mixture, g: torch.Tensor) -> Mixture:
    """Try g = r·(u + s·(c − u)) with a factor r for each row of the last axis: what a norm after the mixing does."""
    assert made.uncond is not None
    u, c, rows = (x.double().flatten(1, -2) for x in (made.uncond, made.cond, g))
    pairs = torch.stack([u, c], dim=-1)
    gram, moment = pairs.mT @ pairs, pairs.mT @ rows[..., None]
    ridge = 1e-14 * gram.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(1e-30)
    ridges = ridge[..., None, None] * torch.eye(2, dtype=gram.dtype, device=gram.device)
    found = torch.linalg.solve_ex(gram + ridges, moment).result
    gains = found.sum(dim=(-2, -1))
    s = (found[..., 1, 0] * gains).sum(1) / gains.square().sum(1).clamp_min(1e-30)  # c's share b_i = r_i · s
    mixed = u + s[:, None, None] * (c - u)
    gain = (rows * mixed).sum(-1, keepdim=True) / mixed.square().sum(-1, keepdim=True).clamp_min(1e-30)
    left = float(_norm(rows - gain * mixed) / _norm(rows).clamp_min(1e-30))
    if left > max(_tolerance(g), 0.05 * made.residual):
        return _ordered(made)
    plain = float(_norm(rows - mixed) / _norm(rows).clamp_min(1e-30))
    return _ordered(Mixture(made.cond, made.uncond, {}, {}, made.sign, _scales(s.tolist()), plain, float(gain.mean())))


def _least_squares(columns: Sequence[torch.Tensor], wanted: torch.Tensor) -> torch.Tensor:
    """Return the coefficients (n, k) of k columns (n, ...) that come nearest to `wanted`, sample by sample.

    1 for a column of zeros: where both halves are equal, any scale is as good as none.
    """
    design = torch.stack([column.double().flatten(1) for column in columns], dim=-1)
    target = wanted.double().flatten(1)[..., None]
    gram = design.mT @ design
    size = gram.diagonal(dim1=-2, dim2=-1)
    empty = size <= 1e-20 * target.square().sum(dim=(-2, -1), keepdim=True)[..., 0].clamp_min(1e-30)
    gram = gram + torch.diag_embed(empty.double() + 1e-14 * size)
    solved = torch.linalg.solve_ex(gram, design.mT @ target).result[..., 0]
    return torch.where(empty, torch.ones_like(solved), solved)


def _scales(values: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(float(value) if math.isfinite(value) else None for value in values)


def _spread(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.nan_to_num(1.0).reshape(-1, *[1] * (like.ndim - 1))


def _norm(tensor: torch.Tensor) -> torch.Tensor:
    size: torch.Tensor = torch.linalg.vector_norm(tensor.double())
    return size


def _tolerance(g: torch.Tensor) -> float:
    return EXACT if g.dtype in (torch.float32, torch.float64) else 3e-2


def measured_row(made: Mixture | None) -> dict[str, Any]:
    """Return one row of `guidance_measured`: its scale and residual, and each sample's where they differ."""
    if made is None:
        return {"scale": None, "residual": None}
    row: dict[str, Any] = {"scale": _short(made.scale), "residual": _short(made.residual)}
    if made.uneven:
        row["scales"] = [_short(scale) for scale in made.scales]
    if made.gain is not None:
        row["gain"] = _short(made.gain)
    if made.weights:
        row["weights"] = {name: _short(weight) for name, weight in made.weights.items()}
    return row


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.7g}")
