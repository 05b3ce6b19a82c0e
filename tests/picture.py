"""The README's picture: a terminal with real output, as SVG."""

from __future__ import annotations

import io
import re
from html import unescape

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.text import Text

from pages import CHECKOUT
from transcripts import Stage, same

PICTURE = CHECKOUT / "docs" / "images" / "verify-and-tree.svg"
COMMANDS = ["llamactl verify", "llamactl tree enrich-blue-train"]

# As rich's own, but that no font is fetched from elsewhere.
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "Fira Code", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture(stage: Stage) -> str:
    """The commands above, typed on a migrated log."""
    ansi, shown = AnsiDecoder(), []
    for command, lines in zip(COMMANDS, stage.printed("migrated", COMMANDS, colour=True), strict=True):
        shown += [Text(f"$ {command}", style="bold"), *map(ansi.decode_line, lines), Text()]
    width = max(line.cell_len for line in shown)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in shown:
        console.print(line)
    svg = console.export_svg(title="llamactl", code_format=_SVG, unique_id="llamactl")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def words(svg: str) -> list[str]:
    """The texts of a picture, without what differs from run to run; colours and places are left out."""
    return [same(unescape(text).replace("\xa0", " ")) for text in re.findall(r"<text[^>]*>(.*?)</text>", svg)]
