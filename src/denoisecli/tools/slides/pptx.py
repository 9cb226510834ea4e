"""A deck of slides: PowerPoint files that hold their films, and play them as soon as a slide is shown.

python-pptx embeds a film but lets it wait for a click; `autoplay` writes the timing that starts it with the slide and
repeats it for ever. Source of the elements: ECMA-376 part 1, PresentationML, 19.5 (animation).
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from denoisecli.errors import MediaError
from denoisecli.media.files import whole_file
from denoisecli.media.formats import write_image
from denoisecli.safe_files import check_file

SIZE_IN = (13.333, 7.5)  # of a slide, 16:9
MARGIN_IN = 0.5
STRIP_IN = 0.8  # under a wide film, for its caption
WIDE = 1.5  # width / height from which a film takes the whole width
POINTS = 72  # an inch
EMU = 12_700  # a point
TITLE_ONLY, TITLE_SLIDE = 5, 0  # of the layouts that python-pptx brings
NO_PPTX = 'Install it with: pip install "denoisecli[slides]"'
ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")  # in XML, or of no use in it


@dataclass(frozen=True)
class Look:
    """Colours as "rrggbb" and faces of type. A viewer that lacks the faces takes its own."""

    ground: str
    ink: str
    quiet: str
    accents: tuple[str, ...] = ()
    sans: str = "Inter"
    mono: str = "JetBrains Mono"


@dataclass(frozen=True)
class Slide:
    """One film on a slide.

    size: the film's, in pixels. poster: shown until the film plays. title, settings: what the film shows, in full;
    caption, details: as much of both as fits on the slide. notes: what only the speaker sees.
    """

    film: Path
    size: tuple[int, int]
    duration_s: float
    poster: Image.Image
    title: str
    settings: tuple[str, ...]
    caption: str
    details: tuple[str, ...]
    notes: str
    look: Look


@dataclass(frozen=True)
class Place:
    """Left, top, width and height in points."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Places:
    """Where the parts of a slide stand, and the sizes of type in points."""

    film: Place
    caption: Place
    details: Place
    caption_pt: float
    details_pt: float
    wide: bool


def places(size: tuple[int, int]) -> Places:
    """Return where a film of `size` and its words stand: under a wide film, right of others."""
    width, height = (side * POINTS for side in SIZE_IN)
    margin, strip = MARGIN_IN * POINTS, STRIP_IN * POINTS
    ratio = size[0] / size[1]
    if ratio >= WIDE:
        film_width = min(width, (height - strip) * ratio)
        film = Place((width - film_width) / 2, 0, film_width, film_width / ratio)
        left, top = max(margin, film.left + 0.03 * film.width), film.height
        room = width - 2 * left
        caption = Place(left, top, 0.56 * room, height - top - 0.2 * strip)
        return Places(film, caption, Place(left + 0.58 * room, top, 0.42 * room, caption.height), 14, 11, wide=True)
    film_height = height - 2 * margin * 0.6
    film = Place(margin, 0.6 * margin, film_height * ratio, film_height)
    left = film.left + film.width + margin
    room = width - left - margin
    caption = Place(left, film.top + 0.04 * height, room, 0.44 * height)
    details = Place(left, caption.top + caption.height, room, 0.44 * height)
    return Places(film, caption, details, 24, 13, wide=False)


def write(slides: Sequence[Slide], path: Path, title: str | None = None) -> Path:
    """Write a .pptx of one slide a film, with a title slide before them where there is a title; return its path.

    Raises MediaError where python-pptx is missing or the file cannot be written.
    """
    deck = _empty_deck(slides[0].look)
    deck.core_properties.author = deck.core_properties.last_modified_by = "denoisecli"
    deck.core_properties.title = _legal(title or slides[0].title)
    if title:
        first = deck.slides.add_slide(deck.slide_layouts[TITLE_SLIDE])
        first.shapes.title.text = _legal(title)
        for empty in [shape for shape in first.placeholders if shape != first.shapes.title]:
            empty.element.getparent().remove(empty.element)  # an editor would ask to fill it
    for slide in slides:
        _add(deck, slide)
    _set_thumbnail(deck, slides[0].poster)
    deck.core_properties.identifier = _mark(deck)
    with whole_file(path) as partial:
        deck.save(str(partial))
    return path


def is_untouched(path: Path) -> bool:
    """Return whether `path` is a deck that we wrote and that no other program has saved since."""
    pptx = _pptx()
    try:
        deck = pptx.Presentation(str(check_file(path)))
        return bool(deck.core_properties.identifier == _mark(deck))
    except Exception:  # noqa: BLE001 - whatever it is, it is no deck of ours
        return False


def _mark(deck: Any) -> str:
    """Return words that name what the slides and notes say; another program writes the same slides differently."""
    digest = hashlib.sha256()
    for page in deck.slides:
        digest.update(page.part.blob)
        digest.update(page.notes_slide.part.blob if page.has_notes_slide else b"")
    return f"denoisecli slides {digest.hexdigest()[:32]}"


def _pptx() -> Any:
    try:
        import pptx
    except ImportError:
        raise MediaError("Slides for PowerPoint need python-pptx, which is not installed.", NO_PPTX) from None
    return pptx


def _empty_deck(look: Look) -> Any:
    """Return a deck without slides: 16:9, two layouts, the look in its theme, so that slides added later have it."""
    deck = _pptx().Presentation()
    deck.slide_width, deck.slide_height = (round(side * POINTS) * EMU for side in SIZE_IN)
    for number in reversed(range(len(deck.slide_layouts))):
        if number not in (TITLE_ONLY, TITLE_SLIDE):
            deck.slide_layouts.remove(deck.slide_layouts[number])
    _paint_theme(deck.slide_master, look)
    _set_ground(deck.slide_master, look)
    wide = places((16, 9))
    for part in (deck.slide_master, *deck.slide_layouts):
        for holder in list(part.placeholders):
            kind = holder.placeholder_format.type
            if str(kind).split()[0] in ("DATE", "FOOTER", "SLIDE_NUMBER"):
                holder._element.getparent().remove(holder._element)  # noqa: SLF001 - python-pptx has no other way
    title, subtitle = deck.slide_layouts[0].placeholders
    _put(title, Place(72, 170, 816, 130))
    _type(title, 44, "l", "b")
    _put(subtitle, Place(72, 312, 816, 70))
    _type(subtitle, 20, "l", "t")
    for part in (deck.slide_master, deck.slide_layouts[1]):
        _put(part.placeholders[0], wide.caption)
        _type(part.placeholders[0], wide.caption_pt, "l", "ctr")
    _put(deck.slide_master.placeholders[1], Place(36, 36, 888, 440))
    return deck


def _add(deck: Any, slide: Slide) -> None:
    page = deck.slides.add_slide(deck.slide_layouts[1])
    where = places(slide.size)
    _set_ground(page, slide.look)
    caption = page.shapes.title
    _put(caption, where.caption)
    _write(caption, [slide.caption], where.caption_pt, slide.look.ink, slide.look.sans, "ctr" if where.wide else "t")
    film = _add_film(page, slide, where.film)
    details = [" · ".join(slide.details)] if where.wide else slide.details
    beside = page.shapes.add_textbox(*(round(side * EMU) for side in vars(where.details).values()))
    beside.name = "Settings"
    anchor = "ctr" if where.wide else "b"
    _write(beside, details, where.details_pt, slide.look.quiet, slide.look.mono, anchor, right=where.wide)
    page.notes_slide.notes_text_frame.text = _legal(slide.notes)
    autoplay(page, film.shape_id, slide.duration_s)


def _add_film(page: Any, slide: Slide, place: Place) -> Any:
    poster = io.BytesIO()
    write_image(slide.poster, poster, "JPEG", quality=92, subsampling=0)
    poster.seek(0)
    sides = (round(side * EMU) for side in vars(place).values())
    film = page.shapes.add_movie(str(slide.film), *sides, poster_frame_image=poster, mime_type="video/mp4")
    film.name = "Film"
    properties = film._element.nvPicPr.cNvPr  # noqa: SLF001 - python-pptx sets no alternative text
    properties.set("descr", _legal(f"Film: {slide.title}. {', '.join(slide.settings)}."))
    return film


def autoplay(page: Any, shape_id: int, duration_s: float) -> None:
    """Make the film with `shape_id` start when the slide is shown, and begin again for ever."""
    from lxml import etree

    element = page._element  # noqa: SLF001 - python-pptx has no animations
    for old in element.findall("{*}timing"):
        element.remove(old)
    text = _TIMING.format(shape=shape_id, milliseconds=max(1, round(duration_s * 1000)))
    timing = etree.fromstring(text, etree.XMLParser(remove_blank_text=True))
    after = element.find("{*}extLst")  # the schema's order: timing, then extensions
    element.append(timing) if after is None else after.addprevious(timing)


def _write(
    shape: Any, lines: Sequence[str], size: float, colour: str, face: str, anchor: str, right: bool = False
) -> None:
    """Put `lines` into a shape, a paragraph each."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE, PP_ALIGN
    from pptx.util import Pt

    frame = shape.text_frame
    frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    frame.vertical_anchor = {"ctr": MSO_ANCHOR.MIDDLE, "t": MSO_ANCHOR.TOP, "b": MSO_ANCHOR.BOTTOM}[anchor]
    for number, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.RIGHT if right else PP_ALIGN.LEFT
        paragraph.line_spacing = 1.2
        run = paragraph.add_run()
        run.text = _legal(line)
        run.font.size, run.font.name = Pt(size), face
        run.font.color.rgb = RGBColor.from_string(colour.upper())


def _put(shape: Any, place: Place) -> None:
    shape.left, shape.top, shape.width, shape.height = (round(side * EMU) for side in vars(place).values())


def _type(holder: Any, size: float, align: str, anchor: str) -> None:
    """Set the type of a master's or layout's placeholder."""
    from lxml import etree

    space = "http://schemas.openxmlformats.org/drawingml/2006/main"
    body = holder._element.txBody  # noqa: SLF001 - python-pptx edits no list styles
    body.bodyPr.set("anchor", anchor)
    for side in ("lIns", "tIns", "rIns", "bIns"):
        body.bodyPr.set(side, "0")
    styles = body.find(f"{{{space}}}lstStyle")
    for old in list(styles):
        styles.remove(old)
    level = etree.SubElement(styles, f"{{{space}}}lvl1pPr", algn=align, marL="0", indent="0")
    etree.SubElement(level, f"{{{space}}}buNone")
    etree.SubElement(level, f"{{{space}}}defRPr", sz=str(round(size * 100)))


def _set_ground(part: Any, look: Look) -> None:
    from pptx.dml.color import RGBColor

    fill = part.background.fill
    fill.solid()
    fill.fore_color.rgb = RGBColor.from_string(look.ground.upper())


def _paint_theme(master: Any, look: Look) -> None:
    """Put the look's colours and faces in the place of Office's."""
    from pptx.opc.constants import RELATIONSHIP_TYPE

    part = master.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    xml = part.blob.decode("utf-8")
    roles = {"dk1": look.ink, "lt1": look.ground, "dk2": look.quiet, "lt2": look.ground}
    roles |= {f"accent{n}": c for n, c in zip(range(1, 7), itertools.cycle(look.accents), strict=False)}
    for role, colour in roles.items():
        xml = re.sub(rf"<a:{role}>.*?</a:{role}>", f'<a:{role}><a:srgbClr val="{colour.upper()}"/></a:{role}>', xml)
    xml = re.sub(r'(<a:(?:major|minor)Font><a:latin typeface=")[^"]*', rf"\g<1>{look.sans}", xml)
    part._blob = xml.encode("utf-8")  # noqa: SLF001 - python-pptx does not edit themes


def _set_thumbnail(deck: Any, poster: Image.Image) -> None:
    """Show the first film in file managers, in the place of python-pptx's white page."""
    from pptx.opc.constants import RELATIONSHIP_TYPE

    small, buffer = poster.copy(), io.BytesIO()
    small.thumbnail((256, 256))
    write_image(small, buffer, "JPEG", quality=85)
    deck.part.package.part_related_by(RELATIONSHIP_TYPE.THUMBNAIL)._blob = buffer.getvalue()  # noqa: SLF001


def _legal(text: str) -> str:
    return ILLEGAL.sub("", text)


_TIMING = """
<p:timing xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"><p:tnLst><p:par>
<p:cTn id="1" dur="indefinite" restart="never" nodeType="tmRoot"><p:childTnLst>
  <p:seq concurrent="1" nextAc="seek">
    <p:cTn id="2" dur="indefinite" nodeType="mainSeq"><p:childTnLst>
      <p:par><p:cTn id="3" fill="hold">
        <p:stCondLst><p:cond delay="indefinite"/>
          <p:cond evt="onBegin" delay="0"><p:tn val="2"/></p:cond></p:stCondLst>
        <p:childTnLst><p:par><p:cTn id="4" fill="hold">
          <p:stCondLst><p:cond delay="0"/></p:stCondLst>
          <p:childTnLst><p:par>
            <p:cTn id="5" presetID="1" presetClass="mediacall" presetSubtype="0" fill="hold" nodeType="afterEffect">
              <p:stCondLst><p:cond delay="0"/></p:stCondLst>
              <p:childTnLst><p:cmd type="call" cmd="playFrom(0.0)"><p:cBhvr>
                <p:cTn id="6" dur="{milliseconds}" fill="hold"/>
                <p:tgtEl><p:spTgt spid="{shape}"/></p:tgtEl>
              </p:cBhvr></p:cmd></p:childTnLst>
            </p:cTn></p:par></p:childTnLst>
        </p:cTn></p:par></p:childTnLst>
      </p:cTn></p:par>
    </p:childTnLst></p:cTn>
    <p:prevCondLst><p:cond evt="onPrev" delay="0"><p:tgtEl><p:sldTgt/></p:tgtEl></p:cond></p:prevCondLst>
    <p:nextCondLst><p:cond evt="onNext" delay="0"><p:tgtEl><p:sldTgt/></p:tgtEl></p:cond></p:nextCondLst>
  </p:seq>
  <p:video><p:cMediaNode vol="80000" mute="1">
    <p:cTn id="7" repeatCount="indefinite" fill="hold" display="0">
      <p:stCondLst><p:cond delay="indefinite"/></p:stCondLst></p:cTn>
    <p:tgtEl><p:spTgt spid="{shape}"/></p:tgtEl>
  </p:cMediaNode></p:video>
</p:childTnLst></p:cTn></p:par></p:tnLst></p:timing>
"""
