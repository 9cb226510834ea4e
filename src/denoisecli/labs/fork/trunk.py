"""The trunk: the run that is taken up, sampled here or stored by an earlier run, with what its scheduler was given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.config.load import Layer, build
from denoisecli.config.samplers import SAMPLERS
from denoisecli.diffusion.sampler_rules import check_begins
from denoisecli.errors import UsageError
from denoisecli.labs.agreement import at, check_agreement, check_handed, solvers
from denoisecli.labs.loading import resolved
from denoisecli.labs.sampling import Sample, Told, sample_all
from denoisecli.runs.folder import run_hash
from denoisecli.trace import Trace, load
from denoisecli.trace_files import load_record

from .config import Change, ForkConfig, changed_config, no_state

if TYPE_CHECKING:
    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job

OWN = ("lab", "film", "run", "at", "to", "batch", "device", "dtype", "memory", "quantize", "vae", "decode")
"""Keys that a fork has for itself; all others are the stored run's."""

HEARD = ("environment", "model", "schedule_kind", "schedule", "latents", "guidance", "guidance_measured", "batches")
"""What the recorder said of a stored run; the rest of its record is its own."""
ARRAYS = ("x_t", "x0", "eps_uncond", "eps_cond", "sigmas", "timesteps", "alpha_bars", "outputs")


def of_run(config: ForkConfig) -> tuple[ForkConfig, str]:
    """Return the config with the settings of the run that it names, resolved, and the identity of all that it uses.

    Raises UsageError where the run is of another lab, where the config contradicts it, and where the model is no
    longer the one that made it.
    """
    if config.run is None:
        config, identity = resolved(config)
        _check_early(config)
        _check_change(config)
        return config, identity
    record = load_record(Path(config.run).expanduser())
    if record.get("lab") not in ("sample", "fork"):
        raise UsageError(f"{config.run} is a run of {record.get('lab')}; fork takes up runs of sample and fork.")
    taken = _settings(config, record)
    taken, identity = resolved(taken)
    if identity != record.get("identity"):
        model = (record.get("model") or {}).get("ref") or (record.get("config") or {}).get("model")
        raise UsageError(
            f"{config.run} was made by {model} with weights {_short(record.get('identity'))}, "
            f"and {taken.model} here has {_short(identity)}.",
            "Name the model that made it, or fork a config instead of the run.",
        )
    late = next((state for state in taken.at or () if state >= taken.steps), None)
    if late is not None:
        raise UsageError(no_state(late, taken.steps))
    _check_early(taken)
    _check_change(taken)
    return taken, run_hash({"run": str(record.get("hash")), "identity": identity}, "")


def _check_early(config: ForkConfig) -> None:
    """Raise UsageError for a state before the one at which a run that starts from a picture begins."""
    early = next((state for state in config.at or () if state < config.begins), None)
    if early is not None:
        raise UsageError(
            f"at: state {early} lies before the start: at strength {config.start and config.start.strength:g} the run "
            f"begins at state {config.begins} of {config.steps}.",
        )


def _check_change(config: ForkConfig) -> None:
    """Raise UsageError for a change that cannot take over at one of the states, before anything is loaded."""
    before, behind = solvers(config), solvers(changed_config(config))
    check_agreement(changed_config(config), config.begins)
    for state in config.forks:
        if config.to.noise is not None:
            check_begins(at(state, behind).sampler, state)
        elif state:
            check_handed(at(state, before), at(state, behind), state, config.steps)


def _settings(config: ForkConfig, record: dict[str, Any]) -> ForkConfig:
    """Return the config with the run's settings; what both name has to be the same."""
    held = {key: value for key, value in (record.get("config") or {}).items() if key not in OWN}
    known = {key: value for key, value in held.items() if key in ForkConfig.model_fields}
    own = {key: getattr(config, key) for key in OWN if key in ForkConfig.model_fields}
    made = build(ForkConfig, [Layer(known | {"run": config.run, "to": {"cfg": 1.0}}, source=str(config.run))])
    for key in sorted(config.model_fields_set - set(OWN)):
        if getattr(config, key) != getattr(made, key):
            hint = f"To change it on the way: --to {key}=..." if key in Change.model_fields else "Leave it out."
            raise UsageError(f"{key}: the run {config.run} has its own.", hint)
    return made.model_copy(update=own)


def _short(identity: object) -> str:
    return str(identity)[:12] if identity else "of an unknown kind"


def sampled_trunk(job: Job[ForkConfig], model: Model) -> Trace:
    """Return the trunk with `outputs`, what its scheduler was given: sampled now, or from the stored run."""
    config = job.config
    stored = load(Path(config.run).expanduser()) if config.run is not None else None
    if stored is not None and (replayed := _with_outputs(job, model, stored)) is not None:
        return replayed
    samples = [Sample(seed, config.cfg) for seed in config.seeds]
    batch = min(config.batch or len(samples), len(samples))
    trunk = sample_all(job, model, samples, batch, told=lambda _: Told(keywords={"outputs": True}))
    if stored is not None:
        _tell_difference(job, stored, trunk)
    return trunk


def _with_outputs(job: Job[ForkConfig], model: Model, trace: Trace) -> Trace | None:
    """Return the stored run with `outputs` made of its halves; None where it has not kept all that went in."""
    from denoisecli.diffusion.take_up import outputs_of

    if "x_t" not in trace or "x0" not in trace:
        raise UsageError(f"{job.config.run} has kept no states, so there is nothing to take up.", "Make it again.")
    if SAMPLERS[job.config.sampler].evaluations > 1 or "extra_x_t" in trace or "eps_cond" not in trace:
        return None
    if job.config.phases or job.config.start:
        return None
    trace.arrays["outputs"] = outputs_of(trace, job.config.cfg, job.config.guidance_rescale, model.dtype)
    heard = {key: trace.record[key] for key in HEARD if key in trace.record}
    heard["runs"] = [{"seed": run.get("seed"), "cfg": run.get("cfg")} for run in trace.record["runs"]]
    return Trace(job.config.lab, {name: trace[name] for name in ARRAYS if name in trace}, heard)


def _tell_difference(job: Job[ForkConfig], stored: Trace, trunk: Trace) -> None:
    """Tell that the run had to be sampled again, and how far it came out from the stored one."""
    far = float(np.abs(stored.x_t - trunk.x_t).max()) if stored.x_t.shape == trunk.x_t.shape else float("inf")
    said = "the same to the bit" if far == 0 else f"up to {far:.2g} apart"
    job.report.warn(f"{job.config.run} keeps not all that its solver was given: sampled again, {said}")
