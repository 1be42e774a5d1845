"""
How the status page looks: one sheet inside the page, two schemes of colours.

The policy of the page's content names this sheet by its digest, so that no other style,
no script and nothing from elsewhere has any effect, whatever gets into the page.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

# Each text has a contrast of 4.5 to 1 at the least on both grounds, and each picture 3 to
# 1 (WCAG 2.2, 1.4.3 and 1.4.11): tests/test_statuspage.py computes them.
LIGHT = {
    "ground": "#ffffff",
    "card": "#f3f5f7",
    "text": "#1b1f24",
    "quiet": "#4f5863",
    "line": "#79828c",
    "link": "#0b4fb3",
    "bar": "#1f6fd6",
    "good": "#12622a",
    "bad": "#a1201a",
}
DARK = {
    "ground": "#14181d",
    "card": "#1e242b",
    "text": "#e8ebee",
    "quiet": "#b3bcc6",
    "line": "#7c8792",
    "link": "#94bdff",
    "bar": "#5b9dff",
    "good": "#7bd88f",
    "bad": "#ff9a92",
}
TEXTS = ("text", "quiet", "link", "good", "bad")
PICTURES = ("bar", "line")


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())


SHEET = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--ground);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}
h2{font-size:1.2rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:0}
p{margin:.3rem 0}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--ground);padding:.3rem .6rem}
.quiet,caption,figcaption,dt{color:var(--quiet)}
.good{color:var(--good);font-weight:600}
.bad{color:var(--bad);font-weight:600}
nav{display:flex;flex-wrap:wrap;gap:0 1rem}
nav>*{padding:.3rem 0}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.6rem;margin:1rem 0}
dl div,figure{background:var(--card);border-radius:.4rem;padding:.6rem .8rem}
dt{font-size:.9rem}
dd{margin:0;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:.6rem}
figure{margin:0;display:flex;flex-direction:column}
figcaption{font-size:.9rem}
.picture{display:block;width:100%;height:6rem;margin-top:auto;padding-top:.4rem}
.axis{display:flex;justify-content:space-between;font-size:.85rem;color:var(--quiet)}
.bar{fill:var(--bar)}
.line{fill:var(--line)}
.frame{fill:none;stroke:var(--line);vector-effect:non-scaling-stroke}
.used{width:7rem;height:.8rem;margin-right:.6rem;vertical-align:-.05rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;min-width:min(100%,36rem);font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.3rem 0}
caption span{position:sticky;left:0;display:inline-block;max-width:calc(100vw - 2.2rem)}
th,td{text-align:left;padding:.35rem .8rem .35rem 0;white-space:nowrap;vertical-align:middle}
tr{border-bottom:1px solid var(--line)}
thead th{font-size:.9rem;color:var(--quiet)}
tbody th{font-weight:400}
.number{text-align:right}
.name{max-width:min(22rem,45vw);overflow:hidden;text-overflow:ellipsis}
footer{margin-top:2rem;font-size:.9rem}
"""
)

POLICY = (
    # The image is that of the tab, which is none; else a browser asks for /favicon.ico.
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; style-src"
    f" 'sha256-{b64encode(sha256(SHEET.encode()).digest()).decode()}'"
).encode("ascii")
