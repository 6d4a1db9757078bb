"""The HTML that every page begins with: Streamlit's, with what would come late of the product.

A page's style came as one of its elements, and the scripts of its elements when the first of each
kind was drawn, one after the other: on a slow line what stood there moved with each of them.
"""

import json
import re
from functools import cache
from pathlib import Path
from threading import Event

import streamlit

STYLE = Path(__file__).parent / "web" / "style.css"
STATIC = Path(streamlit.__file__).parent / "static"
DRAWN = (
    "Html",
    "BidiComponent",
    "PageLink",
    "Button",
    "ButtonGroup",
    "FileUploader",
    "Selectbox",
    "Multiselect",
    "NumberInput",
    "TextInput",
    "Checkbox",
)
"""Elements that the pages open with, by the names of Streamlit's source files."""
PRELOADED_FONT = re.compile(r'<link\s+rel="preload"[^>]*as="font"[^>]*>')
FIRST = """
:root { color-scheme: light dark; } body { background: light-dark(#FAFAF7, #141514); }
:root:not(.ll-icons) [data-testid="stIconMaterial"] { visibility: hidden; }
"""
"""Until the page says which theme it is drawn in, it is the system's; no icon is seen as its name
while their font loads."""
FONTS = """<script type="module">
for (const { cssRules, ownerNode } of document.styleSheets)
  for (let at = cssRules.length - 1; at >= 0; at -= 1)
    if (cssRules[at].style?.fontFamily.includes("Source Sans")) ownerNode.sheet.deleteRule(at);
const shown = () => document.documentElement.classList.add("ll-icons");
document.fonts.load('20px "Material Symbols Rounded"').finally(shown);
</script>"""
"""The typeface of Streamlit's own theme, 170 kB, would be loaded for one sign that ours lacks."""


_served = Event()


def page(html: str) -> str:
    """Streamlit's page with our style and the scripts of our elements."""
    scripts = "".join(
        f'<link rel="modulepreload" crossorigin href="./{file}">' for file in _scripts(html)
    )
    # Of equal rules the last one holds: ours come after those that Streamlit puts into the head,
    # and before those that a page brings.
    style = f"<style>{FIRST}{STYLE.read_text(encoding='utf-8')}</style>"
    html = PRELOADED_FONT.sub("", html).replace("</head>", f"{scripts}</head>")
    _served.set()
    return html.replace('<div id="root">', f'{style}<div id="root">').replace(
        "</body>", f"{FONTS}</body>"
    )


def late() -> str:
    """What a page still has to bring of the style: nothing where it began with it. A server that is
    not ``tools/app.py`` sends Streamlit's own page."""
    return "" if _served.is_set() else f"<style>{STYLE.read_text(encoding='utf-8')}</style>"


@cache
def _scripts(html: str) -> tuple[str, ...]:
    """What the elements need beyond what the page names itself."""
    made = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
    by_name = {Path(source).stem: source for source in made if source.endswith(".tsx")}
    left = [by_name[name] for name in DRAWN if name in by_name]
    found: dict[str, None] = {}
    while left:
        one = made[left.pop()]
        if one["file"] not in found and one["file"] not in html:
            found[one["file"]] = None
            left += one.get("imports", ())
    return tuple(found)
