"""Where the parts of the walk's film go: the picture fills the frame, words, map and plot stand in what is left."""

from __future__ import annotations

from dataclasses import dataclass

from denoisecli.figures.boxes import Box
from denoisecli.figures.layout import Measures
from denoisecli.figures.theme import PROMPT_SIZE

RAIL_SHARE = 0.3  # of a wide frame's width, at the least
FOOT_SHARE = {"square": 0.28, "narrow": 0.36}  # of the frame's height, at the least


@dataclass(frozen=True)
class WalkLayout:
    """The parts of a frame; `plot` is None where it has no room. `bleeds`: the picture goes to the frame's edges."""

    measures: Measures
    picture: Box
    bleeds: bool
    prompt: Box
    meta: Box
    note: Box
    hero: Box
    map: Box
    plot: Box | None

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        placed = (self.picture, self.prompt, self.meta, self.note, self.hero, self.map, self.plot)
        return [box for box in placed if box is not None]


def walk_layout(size: tuple[int, int], unit: tuple[int, int], prompt_lines: int, note_lines: int) -> WalkLayout:
    """Place the parts. size: the frame's, unit: the picture's (width, height); lines: of prompt and note."""
    measures = Measures(*size)
    if measures.shape == "wide":
        picture = _fitted(Box(0, 0, round(size[0] * (1 - RAIL_SHARE)), size[1]), unit)
        left, top = picture.right + measures.px(56), measures.px(48)
        rail = Box(left, top, size[0] - measures.px(56) - left, size[1] - 2 * top)
        return _stacked(measures, picture, rail, prompt_lines, note_lines)
    room = round(size[1] * (1 - FOOT_SHARE["narrow" if measures.narrow else "square"]))
    picture = _fitted(Box(0, 0, size[0], room), unit, across=True)
    if picture.width < size[0]:  # it cannot fill the width, so it keeps off the upper edge too
        edge = measures.px(40)
        picture = _fitted(Box(0, edge, size[0], room - edge), unit, across=True)
    top, side = picture.bottom + measures.px(36), measures.px(56)
    foot = Box(side, top, size[0] - 2 * side, size[1] - measures.px(40) - top)
    place = _stacked if measures.narrow else _halved
    return place(measures, picture, foot, prompt_lines, note_lines)


def prompt_width(size: tuple[int, int], unit: tuple[int, int]) -> int:
    """Return how wide the prompt may be, in pixels."""
    return walk_layout(size, unit, 1, 1).prompt.width


def _fitted(room: Box, unit: tuple[int, int], *, across: bool = False) -> Box:
    """Return the largest box of the unit's proportions: at the left, or, across, at the top; centred the other way."""
    scale = min(room.width / unit[0], room.height / unit[1])
    width, height = round(unit[0] * scale), round(unit[1] * scale)
    x, y = ((room.width - width) // 2, room.y) if across else (0, (room.height - height) // 2)
    return Box(x, y, width, height)


def _head(measures: Measures, room: Box, prompt_lines: int, note_lines: int) -> tuple[Box, Box, Box]:
    text = measures.text
    prompt = Box(room.x, room.y, room.width, round(prompt_lines * prompt_size(measures) * 1.36))
    meta = Box(room.x, prompt.bottom + measures.px(8), room.width, measures.line)
    return prompt, meta, Box(room.x, meta.bottom, room.width, round(note_lines * text * 1.5))


def prompt_size(measures: Measures) -> float:
    """Return the size of the prompt's type in pixels."""
    return measures.text * (PROMPT_SIZE if measures.shape == "wide" else 1.0)


def _stacked(measures: Measures, picture: Box, room: Box, prompt_lines: int, note_lines: int) -> WalkLayout:
    prompt, meta, note = _head(measures, room, prompt_lines, note_lines)
    tall = measures.shape == "tall"
    hero = Box(room.x, note.bottom + measures.px(24 if tall else 30), room.width, measures.px(84 if tall else 112))
    air = measures.px(18 if tall else 34)
    left = room.bottom - hero.bottom - air
    plot_height = round(min(left * 0.36, measures.text * 9))
    plot = None
    if plot_height >= measures.text * 5.5:
        plot = Box(room.x, room.bottom - plot_height, room.width, plot_height)
    map_bottom = plot.y - air if plot else room.bottom
    way = Box(room.x, hero.bottom + air, room.width, map_bottom - hero.bottom - air)
    return WalkLayout(measures, picture, picture.y == 0, prompt, meta, note, hero, way, plot)


def _halved(measures: Measures, picture: Box, room: Box, prompt_lines: int, note_lines: int) -> WalkLayout:
    """Words at the left, the map at the right."""
    width = round(room.width * 0.52)
    words = Box(room.x, room.y, width, room.height)
    prompt, meta, note = _head(measures, words, prompt_lines, note_lines)
    height = max(measures.px(40), min(measures.px(84), room.bottom - note.bottom - measures.px(12)))
    hero = Box(room.x, room.bottom - height, width, height)
    left = words.right + measures.px(28)
    way = Box(left, room.y, room.right - left, room.height)
    return WalkLayout(measures, picture, picture.y == 0, prompt, meta, note, hero, way, None)
