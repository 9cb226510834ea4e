"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.summary import Words, extras, figure, named, sampling, seeds_of


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    cfg = figure(config.get("cfg"))
    shown = [f"cfg {cfg}" if cfg else "", named("seed", seeds_of(config))]
    parts = [changed(config), *sampling(config), *shown, *extras(config, record)]
    return str(config.get("prompt") or "a run without a prompt"), parts, findings(record, config)


def changed(config: dict[str, Any]) -> str:
    """Return what is changed at the forks: "to a castle at night", "to cfg 1"."""
    to = {key: value for key, value in (config.get("to") or {}).items() if value is not None}
    return ", ".join(_change(key, value) for key, value in to.items())


def _change(key: str, value: Any) -> str:
    if key == "prompt":
        return f"to “{value}”"
    if key == "loras":
        return f"to {len(value)} LoRA{'' if len(value) == 1 else 's'}" if value else "to no LoRA"
    if key == "noise":
        return f"to fresh noise {value}"
    return f"to {key.replace('_', ' ')} {figure(value) or value}"


def findings(record: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Return what the forks say: until when the change still decides over layout, and over detail."""
    where, last = record.get("decided_at") or {}, len(record.get("schedule") or []) - 1
    said = []
    for band in ("layout", "detail"):
        state, interval = where.get(band), (where.get("interval") or {}).get(band)
        if state is None:
            said.append(f"{band} was decided before the first fork")
            continue
        between = f" (95 %: {interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
        said.append(f"{band} decided at state {state:.1f} of {last}{between}")
    saved = _saved(record, config, last)
    return [*said, *([saved] if saved else [])]


CLOSE = 0.02  # of a picture's full range: hardly to be seen side by side


def _saved(record: dict[str, Any], config: dict[str, Any], last: int) -> str | None:
    """Return from where on guidance can be left out: the first fork to cfg 1 from which pictures stay close."""
    if (config.get("to") or {}).get("cfg") != 1 or not config.get("cfg") or config["cfg"] == 1:
        return None
    forks = record.get("forks") or []
    far = [row["at"] for row in forks if row.get("picture", 1) > CLOSE]
    close = [row for row in forks if row["at"] > max(far, default=-1)]
    if not close:
        return None
    row = close[0]
    share = 100 * (last - row["at"]) / (2 * last)
    return (
        f"without guidance from state {row['at']} on the picture stays within {row['picture']:.1%}: {share:.0f} % saved"
    )


def lesson(record: dict[str, Any]) -> str | None:
    """Return until when a change still decides over layout and detail."""
    where, last = record.get("decided_at") or {}, len(record.get("schedule") or []) - 1
    layout, detail = where.get("layout"), where.get("detail")
    if layout is None or last < 1:
        return None
    if detail is not None and f"{detail:.0f}" == f"{layout:.0f}":
        return f"After state {layout:.0f} of {last} a change decides neither layout nor detail."
    end = "." if detail is None else f", and detail after state {detail:.0f}."
    return f"After state {layout:.0f} of {last} a change no longer decides the layout{end}"
