"""Weight files from the Hugging Face hub, or a mirror of it (``HF_ENDPOINT``), into the artifacts
folder.

The hub is asked directly: the hub library's own requests also send what program runs here, and
write outside our folder.
"""

import os
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from core import store
from core.types import Progress
from core.weights import download, lean
from core.weights import files as weights

ENDPOINT = "https://huggingface.co"
SHA256 = re.compile(r"[0-9a-f]{64}")
USUAL = (weights.USUAL, "pytorch_model.bin")
HOPS = 5


def fetch(name: str, repo: str, file: str | None, progress: Progress | None = None) -> Path:
    """Download the weights of ``repo``; safetensors where there are some. Two at once download
    once.

    Raises:
        UserError: offline, refused, missing, or not the file that the hub promised.
        Cancelled: ``progress`` said stop.
    """
    with store.lock(f"model-{name}", progress):
        if (path := weights.found(name)) is not None:
            return path
        source = _source(name, repo, _candidates(file), weights.USUAL)
        target = weights.folder(name) / (
            weights.USUAL if source.url.endswith(".safetensors") else "model.bin"
        )
        digest = download.fetch(source, target, progress)
        weights.remember(target, digest)
        return target


def fetch_beside(name: str, repo: str, file: str, progress: Progress | None = None) -> Path:
    """Download one more file of ``repo`` into the folder of the weights called ``name``, unless it
    is there. Raises as :func:`fetch`."""
    target = weights.folder(name) / file
    with store.lock(f"model-{name}", progress):
        if not target.is_file():
            download.fetch(_source(name, repo, (file,), file), target, progress)
        return target


def _candidates(file: str | None) -> tuple[str, ...]:
    """What a weights file may be called, the name with safetensors first."""
    if not file:
        return USUAL
    return re.sub(r"\.(bin|pth|pt)$", ".safetensors", file).replace("pytorch_", ""), file


def _source(name: str, repo: str, candidates: tuple[str, ...], kept: str) -> download.Source:
    """Ask the hub for size and checksum of the first file it has, to be ``kept`` so."""
    import requests

    client = lean.hub()
    repo, _, revision = repo.removeprefix("hf-hub:").partition("@")
    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    urls = [
        client.hf_hub_url(repo, one, revision=revision or None, endpoint=endpoint)
        for one in dict.fromkeys(candidates)
    ]
    target = weights.folder(name) / kept
    if download.offline():
        raise download.by_hand(
            name, urls[0], target, "HF_HUB_OFFLINE is set, so nothing is downloaded"
        )
    headers = {"Authorization": f"Bearer {token}"} if (token := client.get_token()) else {}
    for url in urls:
        try:
            answer = _head(url, headers)
        except requests.RequestException as error:
            why = f"the server can't be reached ({type(error).__name__})"
            raise download.by_hand(name, url, target, why) from error
        if answer.status_code < 400:
            return _described(url, answer.headers, headers)
        if answer.status_code != 404:
            raise download.by_hand(name, url, target, f"the server answers {answer.status_code}")
    raise download.by_hand(name, urls[0], target, "the hub has no such file")


def _head(url: str, headers: dict[str, str]):
    """HEAD, following a moved repository on the same host; one to storage is the answer."""
    import requests

    for _ in range(HOPS):
        asked = {**headers, "Accept-Encoding": "identity"}
        answer = requests.head(
            url, headers=asked, timeout=(download.CONNECT_S, download.READ_S), allow_redirects=False
        )
        onward = urljoin(url, answer.headers.get("Location", ""))
        if (
            not answer.is_redirect
            or urlsplit(onward).netloc != urlsplit(url).netloc
            or "X-Linked-Etag" in answer.headers
        ):
            return answer
        url = onward
    raise requests.TooManyRedirects(url)


def _described(url: str, answer, headers: dict[str, str]) -> download.Source:
    """What the hub says of a file, by the linked headers: plain ones may be a redirect's."""
    etag = (answer.get("X-Linked-Etag") or answer.get("ETag") or "").removeprefix("W/").strip('"')
    size = answer.get("X-Linked-Size") or (
        "0" if "Location" in answer else answer.get("Content-Length", "0")
    )
    return download.Source(url, int(size), etag if SHA256.fullmatch(etag) else "", headers)
