"""Drawing a picture with Matplotlib: SVG for screens and readers, PNG for print.

Matplotlib is large and is imported with the first picture. It shapes Arabic itself; time runs
from the right there. Lines differ by dash and marker, so that they can be told apart in grey. The
SVG keeps its text as text, has a title and a description with every value, tells of an alert on
hover, and carries no style that a content security policy would refuse.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from defusedxml.ElementTree import fromstring

from app.services.charts import Line, Mark, Panel, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "png"]
MEDIA_TYPES: Final[Mapping[Format, str]] = {"svg": "image/svg+xml", "png": "image/png"}

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _PANEL, _DPI = 8.0, 3.2, 200
_INK, _GRID = "#1d2733", "#c9d1d9"
_LINES: Final = (
    ("#175c8c", "-", "o"),
    ("#9b4a00", "--", "s"),
    ("#4b6b1f", "-.", "D"),
    ("#6b3fa0", ":", "^"),
    ("#8a1c4a", (0, (5, 1)), "v"),
    ("#00696b", (0, (1, 1)), "P"),
)
_MARKS: Final = {"repaired": "^", "unrepaired": "v", "dismissed": "x"}
_ALERT = "#9b1c1c"
_one_at_a_time = threading.Lock()


def draw(picture: Picture, format: Format) -> bytes:
    """The picture as an image. Slow: call it in a thread."""
    with _one_at_a_time:
        import matplotlib as mpl  # noqa: PLC0415 - only whoever draws pays for it
        from matplotlib.figure import Figure  # noqa: PLC0415

        settings: Any = {
            "svg.fonttype": "none",
            "svg.hashsalt": "rapport",
            "font.family": ["DejaVu Sans"],
            "font.size": 9,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.edgecolor": _INK,
        }
        with mpl.rc_context(settings):
            panels = max(len(picture.panels), 1)
            figure = Figure(figsize=(_WIDTH, _PANEL * panels + 0.6), layout="constrained")
            _figure(figure, picture)
            out = io.BytesIO()
            metadata = {"Date": None} if format == "svg" else {"Software": "Rapport"}
            figure.savefig(out, format=format, dpi=_DPI, metadata=metadata)
    return _accessible(out.getvalue(), picture) if format == "svg" else out.getvalue()


def _figure(figure: Figure, picture: Picture) -> None:
    figure.suptitle(picture.title, fontsize=12, fontweight="bold")
    if picture.notice:
        figure.supxlabel(picture.notice, fontsize=8)
    if not picture.panels:
        figure.text(0.5, 0.5, picture.nothing, ha="center", va="center")
        return
    grid = figure.subplots(len(picture.panels), 1, squeeze=False)
    number = 0
    for axes, panel in zip(grid[:, 0], picture.panels, strict=True):
        number = _panel(axes, panel, picture, number)


def _panel(axes: Axes, panel: Panel, picture: Picture, number: int) -> int:
    """Draws a panel; ``number`` counts the marks of the whole picture."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    low, high = float(panel.low), float(panel.high)
    room = (high - low) * 0.06
    for line, (colour, dash, marker) in zip(panel.lines, _cycled(len(panel.lines)), strict=True):
        sessions, values = _broken(line, picture.missing)
        axes.plot(
            sessions,
            values,
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=4,
            label=line.label,
        )
    if picture.missing:
        axes.plot(
            list(picture.missing),
            [low - room / 2] * len(picture.missing),
            linestyle="none",
            marker="x",
            color=_INK,
            markersize=5,
            label=picture.no_answer,
        )
    named: set[str] = set()
    for mark in panel.marks:
        _mark(axes, mark, number, label=None if mark.status in named else mark.status_label)
        named.add(mark.status)
        number += 1
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(0.5, max(picture.sessions, 1) + 0.5)
    axes.set_title(panel.title, fontsize=9)
    axes.set_xlabel(picture.session)
    axes.set_ylabel(picture.score)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color=_GRID, linewidth=0.5)
    if picture.language == "ar":
        axes.invert_xaxis()
        axes.yaxis.tick_right()
        axes.yaxis.set_label_position("right")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=4, fontsize=8, frameon=False)
    return number


def _broken(line: Line, missing: Sequence[int]) -> tuple[list[int], list[float]]:
    """A line's points, broken at each session for which nobody was heard."""
    points = {session: float(value) for session, value in line.points}
    points |= {session: float("nan") for session in missing}
    sessions = sorted(points)
    return sessions, [points[session] for session in sessions]


def _mark(axes: Axes, mark: Mark, number: int, *, label: str | None) -> None:
    (drawn,) = axes.plot(
        [mark.session],
        [float(mark.value)],
        linestyle="none",
        marker=_MARKS.get(mark.status, "o"),
        markersize=11,
        markerfacecolor="none",
        markeredgecolor=_ALERT,
        markeredgewidth=1.6,
        label=label or "_",
    )
    drawn.set_gid(f"alert-{number}")


def _cycled(count: int) -> Sequence[tuple[str, Any, str]]:
    return [_LINES[place % len(_LINES)] for place in range(count)]


# -- SVG


def _accessible(svg: bytes, picture: Picture) -> bytes:
    """The SVG with names for readers and without inline style."""
    register_namespace("", _SVG)
    register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root: Element = fromstring(svg)
    for parent in root.iter():
        for child in [each for each in parent if _name(each) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        for name, value in _attributes(element.attrib.pop("style", "")):
            element.set(name, value)
    root.set("role", "img")
    root.set("lang", picture.language)
    root.set("aria-labelledby", "picture-title picture-description")
    root.set("stroke-linejoin", "round")
    title = Element(f"{{{_SVG}}}title", {"id": "picture-title"})
    title.text = picture.title
    described = Element(f"{{{_SVG}}}desc", {"id": "picture-description"})
    described.text = "\n".join((*picture.rows, *([picture.notice] if picture.notice else [])))
    root.insert(0, title)
    root.insert(1, described)
    marks = [mark for panel in picture.panels for mark in panel.marks]
    for group in root.iter(f"{{{_SVG}}}g"):
        place = group.get("id", "").removeprefix("alert-")
        if place.isdigit():
            SubElement(group, f"{{{_SVG}}}title").text = marks[int(place)].words
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


_FONT = re.compile(r"(?:(?P<weight>bold|\d{3}) )?(?P<size>[\d.]+px) (?P<family>.+)")


def _attributes(style: str) -> list[tuple[str, str]]:
    """A style attribute as presentation attributes."""
    found = []
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        font = _FONT.fullmatch(value) if name == "font" else None
        if font is not None:
            found += [(f"font-{key}", part) for key, part in font.groupdict().items() if part]
        else:
            found.append((name, value))
    return found
