"""One colour and one mark for each encoder, from its name, the same on every page, chart and
report.

Fifteen colours, the first eight those of Okabe and Ito, chosen so that people with and without
colour blindness can tell them apart on light and dark paper; ten marks. What is listed has a pair
of its own below, and no two encoders that work offline share even a colour. Any other name gets the
pair that its hash says, or the next free one, so colour is never the only sign and no two encoders
on a page look alike.
"""

import functools
import zlib
from collections.abc import Collection, Iterator

COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#B5A300",
    "#8A8A86",
    "#6A3DE8",
    "#C8283F",
    "#88AA55",
    "#B03A84",
    "#8F623A",
    "#6677FF",
    "#2F8F3A",
)
MARKS = {
    "circle": "M6 .8a5.2 5.2 0 1 0 0 10.4a5.2 5.2 0 1 0 0-10.4z",
    "diamond": "M6 0L12 6L6 12L0 6z",
    "square": "M1.2 1.2h9.6v9.6h-9.6z",
    "triangle-up": "M6 .6L11.8 11H.2z",
    "x": "M2.9.4L6 3.5L9.1.4L11.6 2.9L8.5 6L11.6 9.1L9.1 11.6L6 8.5L2.9 11.6L.4 9.1L3.5 6L.4 2.9z",
    "star": "M6 .2L7.6 4.3L12 4.6L8.6 7.4L9.7 11.7L6 9.3L2.3 11.7L3.4 7.4L0 4.6L4.4 4.3z",
    "cross": "M4.2.4h3.6v3.8h3.8v3.6h-3.8v3.8h-3.6v-3.8h-3.8v-3.6h3.8z",
    "triangle-down": "M6 11.4L.2 1h11.6z",
    "hexagon": "M6 .2L11.1 3.1V8.9L6 11.8L.9 8.9V3.1z",
    "bowtie": "M.6 1L6 4.4L11.4 1v10L6 7.6L.6 11z",
}
"""Name in a chart -> outline in a square of 12, for the components."""
OFFLINE = (
    "tf_efficientnet_lite0.in1k",
    "triplet.lookalike",
    "hog.8x8",
    "hsv.12x4x4",
    "tiny.16x16",
    "siamese.lookalike",
    "autoencoder.lookalike",
    "phash.16x16",
    "sift.vlad32",
    "resnet.lookalike",
    "dhash.16x16",
    "vgg.lookalike",
    "tf_efficientnet_lite2.in1k",
    "vit.lookalike",
    "sift.match",
)
"""What works offline, each with its own of ``COLOURS``. Never reorder: people know them."""
SECOND = (
    "resnet50.tv_in1k",
    "vgg16.tv_in1k",
    "vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_base_patch16_clip_224.openai",
    "vit_base_patch16_siglip_224.webli",
    "convnext_tiny.fb_in1k",
    "efficientnet_b0.ra_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "vit_small_patch14_dinov2.lvd142m:size=224",
    "resnet50.imagenet1k_v2",
    "vgg16.imagenet1k_v1",
    "vit_b_16.imagenet1k_v1",
    "sift.match",
)
"""What else is listed: the same colours with the marks that stand five places further on."""


def slot(encoder: str, beside: Collection[str] = ()) -> tuple[int, int]:
    """Places of the colour in ``COLOURS`` and of the mark in ``MARKS``; only where two names meet
    in one pair does that of a name which is not listed depend on those ``beside`` it."""
    if (known := pinned().get(encoder)) is not None:
        return known
    return assigned(tuple(sorted({*beside, encoder} - {*pinned()})))[encoder]


def mark(encoder: str, beside: Collection[str] = ()) -> dict[str, str]:
    """Colour, and outline in a square of 12."""
    colour, shape = slot(encoder, beside)
    return {"colour": COLOURS[colour], "path": list(MARKS.values())[shape]}


@functools.cache
def pinned() -> dict[str, tuple[int, int]]:
    """The pairs of what is listed."""
    marks = len(MARKS)
    own = {name: (place, place % marks) for place, name in enumerate(OFFLINE)}
    return own | {name: (place, (place + marks // 2) % marks) for place, name in enumerate(SECOND)}


@functools.lru_cache(maxsize=64)
def assigned(names: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """A pair for each name: by its hash, or the next free one; they come again beyond 112 names."""
    taken, found = set(pinned().values()), {}
    for name in names:
        found[name] = next(
            (pair for pair in _wished(name) if pair not in taken), next(_wished(name))
        )
        taken.add(found[name])
    return found


def _wished(name: str) -> Iterator[tuple[int, int]]:
    """All pairs, in the order that a name tries them."""
    first, marks = zlib.crc32(name.encode()), len(MARKS)
    every = len(COLOURS) * marks
    for step in range(every):
        # 11 has no factor in common with the count, so every pair comes once
        place = (first + step * 11) % every
        yield place // marks, place % marks
