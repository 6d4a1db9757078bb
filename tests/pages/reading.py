"""Reading what a page drew."""

from __future__ import annotations

import json

from streamlit.testing.v1 import AppTest


def component(app: AppTest, name: str) -> dict:
    """What a page sent to one of its components."""
    found = [
        element.proto
        for element in app.get("bidi_component")
        if element.proto.component_name == f"lookalike_{name}"
    ]
    assert found, f"no {name} on the page"
    return json.loads(found[0].json)


def columns(app: AppTest) -> dict[str, dict]:
    """The columns of the compare board by encoder."""
    return {column["key"]: column for column in component(app, "board")["columns"]}


def html(app: AppTest) -> str:
    """All that the page says in HTML of its own."""
    return "\n".join(element.proto.body for element in app.get("html"))


def param(app: AppTest, name: str) -> str:
    """One parameter of the page's link."""
    value = app.query_params[name]
    return value[0] if isinstance(value, list) else value


def notes(app: AppTest) -> str:
    """The messages of a page, without the rest."""
    return "\n".join(
        element.proto.body for element in app.get("html") if "ll-note" in element.proto.body[:40]
    )
