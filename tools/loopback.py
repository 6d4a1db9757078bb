"""A hub on the loopback interface for jobs that download: networks with random weights, and a public
set in its distributed form, made of photographs at hand."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hub import Hub, serving

SET = "flowers102"
PLUGIN = """
from dataclasses import replace
from core.datasets.torchvision_sets import TABLE
from torchvision.datasets import Flowers102

TABLE["flowers102"] = replace(TABLE["flowers102"], size={size})
Flowers102._download_url_prefix = "{url}/"
Flowers102._file_dict = {files}
"""
"""Read by Python itself in the processes of jobs: torchvision knows one address alone, and the
digests of what lies there."""


@contextmanager
def hub(home: Path, networks: Sequence[str], pictures: Sequence[Path]) -> Iterator[Hub]:
    """A hub with weights of timm ``networks``, and ``SET`` of ``pictures``, a class for each folder;
    processes that are started in the block ask it."""
    before = dict(os.environ)
    with serving() as made:
        for name in networks:
            _put_network(made, name)
        files = _put_set(made, pictures)
        size = sum(len(made.files[name]) for name, _ in files.values())
        home.mkdir(parents=True)
        told = PLUGIN.format(size=size, url=made.url, files=files)
        (home / "sitecustomize.py").write_text(told)
        os.environ.pop("HF_HUB_OFFLINE", None)
        os.environ |= {"HF_ENDPOINT": made.url}
        try:
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


def _put_network(made: Hub, name: str) -> None:
    import timm
    from safetensors.torch import save

    config = timm.models.get_pretrained_cfg(name)
    made.put(config.hf_hub_id, "model.safetensors", save(timm.create_model(name).state_dict()))


def _put_set(made: Hub, pictures: Sequence[Path]) -> dict[str, tuple[str, str]]:
    """What torchvision calls the files of the set -> name on the hub and MD5."""
    import numpy as np
    from scipy.io import savemat

    count, kinds = len(pictures), sorted({path.parent.name for path in pictures})
    archive, labels, split = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        for number, path in enumerate(pictures, 1):
            packed.add(path, f"jpg/image_{number:05d}.jpg")
    of = [kinds.index(path.parent.name) + 1 for path in pictures]
    savemat(labels, {"labels": np.array([of])})
    parts = np.array_split(np.arange(1, count + 1), 3)
    names = ("trnid", "valid", "tstid")
    savemat(split, {name: [part] for name, part in zip(names, parts, strict=True)})
    files = {
        "image": ("102flowers.tgz", archive.getvalue()),
        "label": ("imagelabels.mat", labels.getvalue()),
        "setid": ("setid.mat", split.getvalue()),
    }
    made.files |= dict(files.values())
    return {kind: (name, hashlib.md5(data).hexdigest()) for kind, (name, data) in files.items()}
