"""What a detector's box is worth: against true boxes, and in searches, for the
Metrics page (artifacts/reports/subject.json) and docs/detectors.md.

    LOOKALIKE_DATA=path/to/photographs python tools/measure_subject.py --count 200 --write

Clean pictures are the catalogue's test products. Cluttered ones are made here: test products on a
plain studio ground are cut out (GrabCut inside their true box) and pasted at random into test
photographs of clothing and of cats and dogs. Both ask the catalogue for their category; the
pictures of their own product count for nothing. Nothing here was in any training, and what was
chosen by figures (the network's threshold, the margin) was chosen on training products: ``--split
train`` makes those tables.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.detectors.auto import Auto, settled
from core.detectors.base import MARGIN, SQUARE, WHOLE, Box, iou, main_box, with_margin
from core.detectors.objects import Objects
from core.detectors.saliency import Saliency
from core.encoders.base import encoders
from core.images import crop, decode, decode_file
from core.metrics import ranked
from core.metrics.statistics import interval
from core.metrics.table import average_precision, hit_at
from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.detecting import ready_detector
from core.services.evaluation import worth
from core.services.library import library
from core.training.composites import cut_out, pasted

PAGE = ROOT / "docs" / "detectors.md"
BEGIN, END = "<!-- subject:begin (written by tools/measure_subject.py) -->", "<!-- subject:end -->"
SIZES = (0.3, 0.6)
"""Longer side of a pasted product, as a share of the photograph's shorter side."""
SEED = 0
OFFLINE = ("bundled", "packaged")


@dataclass(frozen=True, slots=True)
class Picture:
    """A query with its true box."""

    image: np.ndarray
    box: Box
    category: str
    instance: str


def clean(items: list, count: int, draw: np.random.Generator, read) -> list[Picture]:
    chosen = [items[row] for row in draw.permutation(len(items))[:count]]
    return [
        Picture(read(item), Box(*item.value("box")), item.category, item.instance)
        for item in chosen
    ]


def cluttered(
    items: list, photographs: list[Path], count: int, draw: np.random.Generator, read
) -> list[Picture]:
    """Cut-outs in photographs, each photograph once."""
    plain = [
        item for item in items if item.value("backdrop") == "studio" and not int(item.value("prop"))
    ]
    made: list[Picture] = []
    grounds = iter(draw.permutation(len(photographs)))
    for row in draw.permutation(len(plain)):
        item = plain[row]
        piece = cut_out(read(item), item.value("box"))
        if piece is not None:
            ground = decode_file(photographs[next(grounds)])
            made.append(in_photograph(piece, ground, item, draw))
        if len(made) == count:
            break
    return made


def in_photograph(
    piece: np.ndarray, ground: np.ndarray, item, draw: np.random.Generator
) -> Picture:
    image, box = pasted(piece, ground, draw.uniform(*SIZES), draw)
    return Picture(image, Box(*box), item.category, item.instance)


def found_boxes(pictures: list[Picture], detectors: list[str]) -> dict[str, list[Box | None]]:
    """The main boxes of each detector. ``auto`` asks the two that are measured beside it, so it
    takes their boxes by its own rule."""
    every: dict[str, list] = {}
    for name in sorted(detectors, key=lambda name: name == Auto.name):
        if name == Auto.name and {Objects.name, Saliency.name} <= every.keys():
            pairs = zip(every[Objects.name], every[Saliency.name], strict=True)
            every[name] = [settled(objects, lambda found=found: found) for objects, found in pairs]
        else:
            made = ready_detector(name)
            every[name] = [made.detect(picture.image) for picture in pictures]
        print(f"{name}: {len(pictures)} pictures", flush=True)
    return {name: [main_box(boxes) for boxes in every[name]] for name in detectors}


def box_row(pictures: list[Picture], boxes: list[Box | None]) -> dict:
    """Mean IoU with the true box and the share above .5; a picture without a box counts as the
    whole picture."""
    shares = np.array(
        [iou(box or WHOLE, picture.box) for picture, box in zip(pictures, boxes, strict=True)]
    )
    products = np.array([picture.instance for picture in pictures])
    return {
        "pictures": len(pictures),
        "products": len(set(products)),
        "found": sum(box is not None for box in boxes),
        "IoU": mean(shares, products),
        "above .5": mean((shares > 0.5).astype(float), products),
    }


def mean(values: np.ndarray, clusters: np.ndarray) -> list[float]:
    """Mean, and its 95 % interval over products."""
    low, high = interval(values, clusters)
    return [round(float(one), 4) for one in (values.mean(), low[0], high[0])]


class Asked:
    """Queries that ask the catalogue for their category by one encoder."""

    def __init__(self, encoder: str, pictures: list[Picture]) -> None:
        dataset = library.open_dataset("catalogue")
        build(dataset, [encoder])
        self.encoder, self.pictures = prepared(dataset, encoder).loaded(), pictures
        self.seen: dict[tuple, np.ndarray] = {}  # detectors that agree cost nothing more
        found = stored.read(dataset, self.encoder)
        self.vectors, items = np.asarray(found.vectors), stored.item_rows(dataset, found)
        self.relevant = np.array(
            [[item.category == one.category for item in items] for one in pictures]
        )
        self.junk = np.array(
            [[item.instance == one.instance for item in items] for one in pictures]
        )

    def scores(self, boxes: list[Box | None], margin: float = MARGIN) -> np.ndarray:
        """(q, 2): average precision, and whether the first hit has the right category."""
        images = [picture.image for picture in self.pictures]
        edges = [
            WHOLE.edges if box is None else with_margin(box, image.shape[1::-1], margin).edges
            for image, box in zip(images, boxes, strict=True)
        ]
        new = [key for key in enumerate(edges) if key not in self.seen]
        for start in range(0, len(new), 16):
            part = new[start : start + 16]
            made = self.encoder.encode([crop(images[row], box) for row, box in part])
            self.seen.update(zip(part, made, strict=True))
        vectors = np.stack([self.seen[key] for key in enumerate(edges)])
        lists = ranked.rank(vectors @ self.vectors.T, self.relevant & ~self.junk, self.junk)
        return np.stack([average_precision(lists), hit_at(lists, 1)], axis=1)


def search_rows(
    asked: Asked, ways: dict[str, list[Box | None]], margin: float = MARGIN
) -> dict[str, dict]:
    products = np.array([picture.instance for picture in asked.pictures])
    scores = {way: asked.scores(boxes, margin) for way, boxes in ways.items()}
    whole = scores["whole"]
    return {
        way: {
            name: {
                "mean": mean(own[:, column], products),
                "change": mean(own[:, column] - whole[:, column], products),
            }
            for column, name in enumerate(("mAP", "right category first"))
        }
        for way, own in scores.items()
    }


def measure(options: argparse.Namespace) -> dict:
    dataset, draw = library.open_dataset("catalogue"), np.random.default_rng(SEED)
    items = [item for item in dataset.items if item.split == options.split]
    data = Path(os.environ["LOOKALIKE_DATA"])
    homes = (data / "clothing" / options.split, data / "cats_dogs" / options.split)
    photographs = [path for home in homes for path in sorted(home.rglob("*.jpg"))]

    def read(item) -> np.ndarray:
        return decode(dataset.read(item))

    kinds = {
        "clean": clean(items, options.count, draw, read),
        "cluttered": cluttered(items, photographs, options.count, draw, read),
    }
    made: dict = {
        "split": options.split,
        "margin": MARGIN,
        "square": SQUARE,
        "sizes": SIZES,
        "boxes": {},
        "search": {},
    }
    ways = {}
    for kind, pictures in kinds.items():
        found = found_boxes(pictures, options.detectors)
        made["boxes"][kind] = {name: box_row(pictures, boxes) for name, boxes in found.items()}
        print(json.dumps(made["boxes"][kind]), flush=True)
        true = [picture.box for picture in pictures]
        ways[kind] = {"whole": [None] * len(pictures), **found, "true box": true}
    for encoder in dict.fromkeys([*options.clean, *(options.encoders or offline())]):
        if options.go_on and (held := held_of(made, encoder)):
            made["search"][encoder] = held
            continue
        for kind, pictures in kinds.items():
            if kind == "clean" and encoder not in options.clean:
                continue
            asked = Asked(encoder, pictures)
            made["search"].setdefault(encoder, {})[kind] = search_rows(asked, ways[kind])
            for margin in options.margins:
                _print_margin(kind, asked, ways[kind], margin)
        print(f"{encoder}: {json.dumps(made['search'][encoder])}", flush=True)
        if options.write:  # what a stop leaves is whole
            worth.DATA.write_text(json.dumps(made, indent=1) + "\n")
    return made


def held_of(made: dict, encoder: str) -> dict:
    """What the shipped figures say of an encoder, where they are of the same pictures and boxes;
    empty where they are not, or have none of it."""
    try:
        held = json.loads(worth.DATA.read_text())
    except (OSError, ValueError):
        return {}
    same = all(held.get(key) == made[key] for key in ("split", "margin", "square", "boxes"))
    return held["search"].get(encoder, {}) if same else {}


def _print_margin(kind: str, asked: Asked, ways: dict, margin: float) -> None:
    told = search_rows(asked, ways, margin)
    firsts = {
        way: [row[name]["mean"][0] for name in row] for way, row in told.items() if way != "whole"
    }
    print(
        f"{kind}, {asked.encoder.name}, margin {margin}: mAP and right category first {firsts}",
        flush=True,
    )


def offline() -> list[str]:
    """Every encoder that comes with the code or with its packages."""
    made = map(encoders.get, encoders.names())
    return [one.name for one in made if one.tier in OFFLINE and not one.matches]


def table(made: dict) -> str:
    """The measured figures as Markdown."""
    lines = [
        "| pictures | detector | n (products) | IoU with the true box | above .5 |",
        "|---|---|---|---|---|",
    ]
    for kind, rows in made["boxes"].items():
        lines += [
            f"| {kind} | {name} | {row['pictures']} ({row['products']}) | {shown(row['IoU'])} |"
            f" {shown(row['above .5'])} |"
            for name, row in rows.items()
        ]
    lines += [
        "",
        "| encoder | pictures | searched with | mAP | right category first | change |",
        "|---|---|---|---|---|---|",
    ]
    for encoder, kinds in made["search"].items():
        for kind, rows in kinds.items():
            lines += [
                f"| `{encoder}` | {kind} | {way} | {shown(row['mAP']['mean'])} |"
                f" {shown(first['mean'])} |"
                f" {'' if way == 'whole' else shown(first['change'], '+')} |"
                for way, row in rows.items()
                for first in [row["right category first"]]
            ]
    return "\n".join(lines)


def shown(values: list[float], sign: str = "") -> str:
    middle, low, high = (format(value, f"{sign}.3f") for value in values)
    return f"{middle} ({low} to {high})"


def written(text: str, made: dict) -> str:
    """The page with the table in its place."""
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n{table(made)}\n{END}",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="pictures of each kind")
    parser.add_argument(
        "--split", default="test", choices=["test", "train"], help="products and photographs"
    )
    parser.add_argument("--detectors", nargs="+", default=["saliency", "objects", "auto"])
    parser.add_argument(
        "--encoders",
        nargs="+",
        default=[],
        help="asked with cluttered pictures; default: every one that works offline",
    )
    parser.add_argument(
        "--clean",
        nargs="+",
        default=["tf_efficientnet_lite0.in1k"],
        help="encoders asked with clean pictures",
    )
    parser.add_argument(
        "--margins", nargs="*", type=float, default=[], help="print what these would give, too"
    )
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="keep what the shipped figures say of encoders asked with the same boxes",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write artifacts/reports/subject.json and the table of docs/detectors.md",
    )
    options = parser.parse_args()
    made = measure(options)
    print(table(made))
    if options.write:
        worth.DATA.write_text(json.dumps(made, indent=1) + "\n")
        PAGE.write_text(written(PAGE.read_text(), made))


if __name__ == "__main__":
    main()
