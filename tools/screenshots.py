"""Pictures of every page and state, wide and narrow, light and dark, into screenshots/. Look at
them before a release.

python tools/screenshots.py            everything
python tools/screenshots.py compare    only names that contain a word
python tools/screenshots.py --readme   the one picture of the README, docs/compare.png
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tools.serve import chromium, serving, settle

OUT = ROOT / "screenshots"
WIDTHS = {"wide": 1280, "narrow": 390}
BOARD_WIDTHS = {"large": 1920, "wide": 1280, "tablet": 820, "narrow": 390}
"""Of Compare, whose columns have to be seen everywhere."""
SCHEMES = ("light", "dark")
TALLEST = 3200
README_HEIGHT = 880
CLASSICAL = ("hog.8x8", "tiny.16x16", "hsv.12x4x4", "phash.16x16", "dhash.16x16", "sift.vlad32")
MANY = "hog.8x8,tiny.16x16,hsv.12x4x4,phash.16x16,dhash.16x16,sift.vlad32,mobilenetv3_large_100.ra_in1k,resnet50.tv_in1k"


def states() -> dict[str, tuple[str, object]]:
    """Name -> (address, what to do there before the picture is taken)."""
    return {
        "home": ("", None),
        "compare": ("compare", None),
        "compare-one": ("compare?encoders=hog.8x8&k=5", None),
        **{
            f"compare-{n}": (f"compare?encoders={','.join(CLASSICAL[:n])}", None)
            for n in (2, 3, 4, 6)
        },
        "compare-many": (f"compare?encoders={MANY}&k=5", None),
        "compare-small": (f"compare?encoders={','.join(CLASSICAL)}&size=S", None),
        "compare-large": (f"compare?encoders={','.join(CLASSICAL[:3])}&size=L", None),
        "compare-hit": (f"compare?encoders={','.join(CLASSICAL)}", _hit),
        "compare-menu": (f"compare?encoders={','.join(CLASSICAL)}", _menu),
        "compare-keys": (
            f"compare?encoders={','.join(CLASSICAL)}",
            lambda page: page.keyboard.press("?"),
        ),
        "compare-far": (f"compare?encoders={','.join(CLASSICAL[:4])}", _far),
        "compare-unbuilt": (f"compare?encoders={','.join(CLASSICAL[:2])},resnet50.tv_in1k", None),
        "compare-subject": (f"compare?encoders={','.join(CLASSICAL[:4])}", _subject),
        "compare-forged": ("compare?query=item:nothing&k=9999&encoders=nonsense", None),
        "compare-none": ("compare", _no_encoder),
        "compare-lit": ("compare", _pin),
        "compare-gallery": ("compare", _gallery),
        "metrics": ("metrics", None),
        "metrics-sorted": ("metrics?sort=p50+up", None),
        "metrics-pairs": ("metrics", _pairs),
        "metrics-cost": ("metrics?view=Cost", None),
        "metrics-size": ("metrics?view=Cost&against=Vector+size", None),
        "metrics-curves": ("metrics?view=Curves", None),
        "metrics-classes": ("metrics?view=Classes", None),
        "metrics-queries": ("metrics?view=Queries&one=hog.8x8&other=tiny.16x16", None),
        "metrics-factors": ("metrics?view=Shared+factors", None),
        "metrics-robustness": ("metrics?view=Robustness", None),
        "metrics-health": ("metrics?view=Data+health&encoder=triplet.lookalike", None),
        "metrics-audit": ("metrics?view=Metric+audit", None),
        "map": ("map", None),
        "map-point": ("map?encoders=hog.8x8,hsv.12x4x4&picked=mug-15-0", None),
        "map-pictures": ("map?encoders=hog.8x8&pictures=1", None),
        "map-morph": ("map?encoders=hog.8x8,hsv.12x4x4&view=Morph", None),
        "map-clusters": ("map?encoders=hog.8x8,hsv.12x4x4&view=Clusters", None),
        "learn": ("learn", None),
        **{
            f"learn-{path.stem}": (f"learn?lesson={path.stem}", None)
            for path in sorted((ROOT / "pages/parts/learn/lessons").glob("*.toml"))
        },
        "train": ("train", None),
        "train-model": ("train?model=siamese.lookalike", None),
        "lab": ("index_lab?encoder=hog.8x8", None),
        "lab-query": ("index_lab?view=One+query&encoder=hog.8x8&try=ivf_flat&set=nprobe=1", None),
        "lab-loss": ("index_lab?view=Approximation+loss&encoder=hog.8x8", None),
        "lab-buckets": ("index_lab?view=Buckets&encoder=hog.8x8", None),
        "lab-advice": ("index_lab?view=Advice&encoder=hog.8x8&gallery=1000000&memory=1", None),
        "library": ("library", None),
        "library-encoders": ("library", _tab("Encoders")),
        "library-caches": ("library", _tab("Caches")),
        "library-add": ("library", _add),
        "library-set": ("library?set=catalogue", None),
        "library-builds": ("library?set=catalogue&view=Encoders+and+builds", _choose),
        "library-evaluation": ("library?set=catalogue&view=Evaluation+and+map", None),
        "library-jobs": ("library", _jobs),
    }


def main() -> None:
    wanted = sys.argv[1:]
    if wanted == ["--readme"]:
        return readme()
    OUT.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(Path(scratch)) as address,
        chromium() as browser,
    ):
        for name, (path, act) in states().items():
            if wanted and not any(word in name for word in wanted):
                continue
            for size, width in (BOARD_WIDTHS if name.startswith("compare") else WIDTHS).items():
                for scheme in SCHEMES:
                    _shoot(
                        browser,
                        f"{address}/{path}",
                        act,
                        width,
                        scheme,
                        OUT / f"{name}-{size}-{scheme}.png",
                    )


def readme() -> None:
    """Compare as the README shows it: light, in few colours because it is tracked."""
    to = ROOT / "docs" / "compare.png"
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(Path(scratch)) as address,
        chromium() as browser,
    ):
        page = browser.new_page(
            viewport={"width": 1280, "height": README_HEIGHT}, color_scheme="light"
        )
        page.goto(f"{address}/compare")
        page.locator(".hit").nth(29).wait_for(timeout=120_000)
        settle(page, 700)
        page.reload()  # the first answers of a cold process are slower than those a person sees
        page.locator(".hit").nth(29).wait_for(timeout=120_000)
        settle(page, 700)
        page.screenshot(path=to)
    with Image.open(to) as image:
        few = image.convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.FLOYDSTEINBERG
        )
    few.save(to, optimize=True)
    print(f"{to.relative_to(ROOT)}: {to.stat().st_size / 1000:.0f} kB")


def _shoot(browser, url: str, act, width: int, scheme: str, to: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(url)
    settle(page, 700)
    if act:
        act(page)
        settle(page, 500)
    tall = page.evaluate("(document.querySelector('.stMain') || document.body).scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(tall, 700), TALLEST)})
    page.wait_for_timeout(400)
    page.screenshot(path=to)
    wide = page.evaluate("document.documentElement.scrollWidth")
    print(f"{to.name}{f'  WIDER THAN THE WINDOW: {wide}' if wide > width else ''}")
    page.close()


def _no_encoder(page) -> None:
    page.get_by_role("button", name="Clear all").click()


def _pin(page) -> None:
    page.locator(".letter").first.click()


def _gallery(page) -> None:
    page.get_by_role("button", name="Gallery", exact=True).click()
    page.locator("[role=dialog] .cell").first.wait_for()


def _hit(page) -> None:
    page.locator(".column").nth(1).locator(".open").nth(2).click()
    page.locator(".detail .pairs").wait_for()


def _menu(page) -> None:
    page.locator(".more").nth(1).click()


def _far(page) -> None:
    """A query that is like nothing in the gallery: noise."""
    noise = Image.effect_noise((96, 96), 220).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    given = {"name": "noise.png", "mimeType": "image/png", "buffer": out.getvalue()}
    page.locator(".st-key-panel_query input[type=file]").set_input_files(given)
    page.locator(".notice").first.wait_for()


def _subject(page) -> None:
    """The main subject of the example is searched with, and the rule that chose it is open."""
    page.get_by_role("button", name="Main subject", exact=True).click()
    page.locator(".chosen").wait_for()
    page.locator(".why summary").click()


def _tab(name: str):
    return lambda page: page.get_by_role("tab", name=name).click()


def _pairs(page) -> None:
    page.get_by_text("Which differences are certain").click()


def _add(page) -> None:
    page.get_by_role("button", name="Add pictures").click()
    page.get_by_role("dialog").wait_for()


def _jobs(page) -> None:
    page.locator(".st-key-tray").get_by_role("button").click()
    page.locator(".st-key-tray_jobs").wait_for()


def _choose(page) -> None:
    page.get_by_label("Encoders", exact=True).first.click()
    page.keyboard.type("phash")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


if __name__ == "__main__":
    main()
