"""What the sources of timm and torchvision tell without either being imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.encoders.base import encoders
from core.errors import UserError
from core.weights import sources

MISSPELT = [
    "nothing.at_all",
    "resnet5o.tv_in1k",
    "resnet50.tv_in9k",
    "resnet51",
    "resnet500.imagenet1k_v1",
    "resnet50.imagenet1k_v77",
    "resnet5o.tv_in1k:pool=gem,pca=16",
]


@pytest.mark.parametrize("name", MISSPELT)
def test_no_word_of_a_misspelt_name_passes(name):
    with pytest.raises(UserError, match="no encoder named"):
        encoders.get(name)


def test_a_misspelt_name_is_refused_without_torch():
    code = f"""
import sys
from core.encoders.base import encoders
from core.errors import UserError
for name in {MISSPELT}:
    try:
        encoders.get(name)
    except UserError as error:
        print(error)
assert not {{"torch", "timm", "torchvision"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=300, capture_output=True, text=True
    )
    assert done.stdout.count("There is no encoder named") == len(MISSPELT)
    assert "Did you mean resnet50.tv_in1k" in done.stdout


def test_every_name_of_timm_is_mentioned_in_its_source():
    """Else a network that timm has would be refused."""
    import timm
    from timm.models._registry import _deprecated_models

    known = [*timm.list_pretrained(), *timm.list_models(), *_deprecated_models]
    assert len(known) > 2_000
    assert not [name for name in known if not sources.mentioned("timm", name)]


def test_every_name_of_torchvision_is_mentioned_in_its_source():
    from torchvision.models import get_model_weights, list_models

    known = [
        f"{model}.{tag.lower()}"
        for model in list_models()
        for tag in get_model_weights(model).__members__
        if tag.lower().startswith("imagenet1k_")
    ]
    assert len(known) > 50
    assert not [name for name in known if not sources.mentioned("torchvision", name)]


def test_names_that_are_suggested_are_timms():
    import timm

    listed, known = set(sources.listed("timm")), set(timm.list_pretrained())
    assert len(listed - known) < 0.01 * len(listed)
    assert len(listed & known) > 0.95 * len(known)


def test_an_absent_package_mentions_nothing():
    assert not sources.mentioned("no_such_package", "resnet50")
    assert sources.listed("no_such_package") == ()
