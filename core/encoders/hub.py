"""Weight files from the Hugging Face hub, or a mirror of it (``HF_ENDPOINT``), into the artifacts folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from core import store
from core.encoders import download, weights
from core.types import Progress

ENDPOINT = "https://huggingface.co"
SHA256 = re.compile(r"[0-9a-f]{64}")
USUAL = (weights.USUAL, "pytorch_model.bin")


def fetch(name: str, repo: str, file: str | None, progress: Progress | None = None) -> Path:
    """Download the weights of ``repo``; safetensors where there are some. Two at once download once.

    Raises:
        UserError: offline, refused, missing, or not the file that the hub promised.
        Cancelled: ``progress`` said stop.
    """
    with store.lock(f"model-{name}", progress):
        if (path := weights.found(name)) is not None:
            return path
        source = _source(name, repo, file)
        target = weights.folder(name) / (weights.USUAL if source.url.endswith(".safetensors") else "model.bin")
        digest = download.fetch(source, target, progress)
        weights.remember(target, digest)
        return target


def _source(name: str, repo: str, file: str | None) -> download.Source:
    """Ask the hub for size and checksum of the first file that it has."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError
    from huggingface_hub.utils import build_hf_headers

    repo, _, revision = repo.removeprefix("hf-hub:").partition("@")
    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    candidates = ((re.sub(r"\.(bin|pth|pt)$", ".safetensors", file).replace("pytorch_", ""), file) if file else USUAL)
    urls = [hf_hub_url(repo, one, revision=revision or None, endpoint=endpoint) for one in dict.fromkeys(candidates)]
    target = weights.folder(name) / weights.USUAL
    if download.offline():
        raise download.by_hand(name, urls[0], target, "HF_HUB_OFFLINE is set, so nothing is downloaded")
    token = get_token()
    for url in urls:
        try:
            meta = get_hf_file_metadata(url, token=token, timeout=download.CONNECT_S, endpoint=endpoint)
        except (GatedRepoError, RepositoryNotFoundError) as error:
            raise download.by_hand(name, url, target, "the hub does not give it out") from error
        except EntryNotFoundError:
            continue
        except Exception as error:  # sockets, proxies, certificates and servers fail in many ways: all mean "not now"
            raise download.by_hand(name, url, target, f"the server can't be reached ({type(error).__name__})") from error
        sha256 = meta.etag if meta.etag and SHA256.fullmatch(meta.etag) else ""
        return download.Source(url, meta.size or 0, sha256, build_hf_headers(token=token))
    raise download.by_hand(name, urls[0], target, "the hub has no such file")
