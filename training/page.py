"""The page that charts are shown on: one HTML file, complete without a network, light or dark as the screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root{color-scheme:light dark;--paper:#f6f5f1;--card:#fff;--ink:#1d2327;--soft:#5d676e;--hair:#e3e1da;
--ours:#0b6e8a;--ours-soft:#0b6e8a;--other:#c2701c;--faint:#b4b9bd;--good:#3d8b4f;--bad:#b8352a}
@media (prefers-color-scheme:dark){:root{--paper:#12171a;--card:#1a2125;--ink:#e8ecee;--soft:#9aa6ad;--hair:#2c353a;
--ours:#4dbdd8;--ours-soft:#4dbdd8;--other:#e89a4a;--faint:#556067;--good:#6cbf80;--bad:#ea7266}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;
-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:clamp(16px,3vw,40px) clamp(12px,3vw,28px) 60px}
h1{font-size:clamp(24px,4vw,36px);line-height:1.15;margin:0 0 8px;letter-spacing:-.02em;text-wrap:balance}
h2{font-size:20px;margin:44px 0 4px;letter-spacing:-.01em}
h3{font-size:15px;margin:0 0 6px}
p{margin:0;text-wrap:pretty}.lead{font-size:17px;max-width:62ch}.note{color:var(--soft);font-size:13.5px;max-width:100ch}
.grid{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));margin-top:14px}
.two{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.two .card svg{max-width:430px}
.card{background:var(--card);border:1px solid var(--hair);border-radius:12px;padding:14px 16px;min-width:0;
display:flex;flex-direction:column}
.card svg{display:block;width:100%;height:auto;margin-top:4px;max-width:520px;align-self:center}
.card p{margin-top:auto;padding-top:8px;font-size:14px}.card .tag{color:var(--soft);font-size:13px;padding:0;margin:0}
.tiles{display:grid;gap:10px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin:20px 0 0}
.tile{background:var(--card);border:1px solid var(--hair);border-radius:12px;padding:12px 14px}
.tile b{display:block;font-size:28px;line-height:1.15;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:13px;color:var(--soft)}.tile.good b{color:var(--good)}.tile.bad b{color:var(--bad)}
svg text{font:11.5px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
svg .tick,svg .axis{fill:var(--soft)}svg .axis{font-size:11px}svg .head{font-weight:650}svg .small{font-size:10px}
svg .ours-text{fill:var(--ours);font-weight:650}svg .other-text{fill:var(--other);font-weight:650}
.grid svg{overflow:visible}
line.grid{stroke:var(--hair)}line.zero{stroke:var(--soft)}
line.ours{stroke:var(--ours);stroke-width:2.4}line.other{stroke:var(--other);stroke-width:2}
line.link{stroke:var(--faint);stroke-width:2}line.wanted,.line.wanted{stroke:var(--soft);stroke-dasharray:4 4}
line.origin{stroke:var(--soft);stroke-dasharray:2 3}line.full{stroke:var(--bad);stroke-dasharray:5 4;opacity:.75}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.line.ours{stroke:var(--ours);stroke-width:2.8}
.line.other{stroke:var(--other);stroke-width:2.4}.line.rest{stroke:var(--faint);stroke-width:1.4}
.line.truth{stroke:var(--ink);stroke-width:1.1;opacity:.65}
.band{stroke:none}.band.ours{fill:var(--ours);opacity:.2}.band.inner{fill:var(--ours);opacity:.28}
rect.wantedband,.band.wantedband{fill:var(--good);opacity:.15}rect.ours{fill:var(--ours)}rect.other{fill:var(--other)}
rect.rest{fill:var(--faint)}rect.count{fill:var(--faint);opacity:.55}
.dot{stroke:var(--card);stroke-width:1.2}.dot.ours{fill:var(--ours)}.dot.other{fill:var(--other)}
.dot.rest{fill:var(--faint)}.dot.bad{fill:var(--bad)}.dot.truth{fill:var(--ink)}
.dot.hollow{fill:var(--card);stroke:var(--ours);stroke-width:1.8}
.dot.reading{fill:var(--ink);stroke:none;opacity:.75}
details{margin-top:12px;background:var(--card);border:1px solid var(--hair);border-radius:12px;padding:10px 16px}
summary{cursor:pointer;font-weight:600}
.wide{overflow-x:auto;margin-top:8px}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
td,th{padding:4px 10px;text-align:right;border-bottom:1px solid var(--hair);white-space:nowrap}
th{color:var(--soft);font-weight:600}td:first-child,th:first-child{text-align:left;padding-left:0}
tr.first td{font-weight:650;color:var(--ours)}
@media print{.card,.tile{break-inside:avoid}}
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><link rel="icon" href="data:,">
<style>{style}</style></head><body><main>
{body}
</main></body></html>
"""


@dataclass(frozen=True)
class Card:
    """A chart with its title and the sentence that says what it shows."""

    title: str
    drawing: str
    sentence: str
    tag: str = ""

    def html(self) -> str:
        """The card as part of a page."""
        tag = f'<p class="tag">{escape(self.tag)}</p>' if self.tag else ""
        words = f"<p>{escape(self.sentence)}</p>"
        return f'<section class="card"><h3>{escape(self.title)}</h3>{tag}{self.drawing}{words}</section>'


@dataclass(frozen=True)
class Tile:
    """One number, and what it is; `kind` is good, bad or nothing."""

    number: str
    words: str
    kind: str = ""

    def html(self) -> str:
        """The tile as part of a page."""
        return f'<div class="tile {self.kind}"><b>{escape(self.number)}</b><span>{escape(self.words)}</span></div>'


def page(title: str, parts: Iterable[str]) -> str:
    """The whole file."""
    return PAGE.format(title=escape(title), style=STYLE, body="\n".join(parts))


def grid(cards: Iterable[Card], *, two: bool = False) -> str:
    """Cards side by side, three or `two` on a wide screen; beneath each other on a phone."""
    return f'<div class="grid{" two" if two else ""}">{"".join(card.html() for card in cards)}</div>'


def tiles(numbers: Iterable[Tile]) -> str:
    """Numbers in a row."""
    return f'<div class="tiles">{"".join(tile.html() for tile in numbers)}</div>'


def heading(words: str, note: str = "") -> str:
    """A section's title and a line beneath it."""
    return f"<h2>{escape(words)}</h2>" + (f'<p class="note">{escape(note)}</p>' if note else "")


def table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, marked: str = "", shown: bool = False
) -> str:
    """A table behind its title, opened by a click; rows whose first cell is `marked` stand out."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr{' class=first' if row[0] == marked else ''}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return (
        f"<details{' open' if shown else ''}><summary>{escape(title)}</summary>"
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )
