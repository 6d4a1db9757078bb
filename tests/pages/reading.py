"""Reading what a page drew, and giving it a picture."""

from __future__ import annotations

import ast
import base64
import io
import itertools
import json
from pathlib import Path

from PIL import Image
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).parent.parent.parent / "pages"

NUMBERS = itertools.count(1)
"""What a component says is numbered."""
LIGHT = ["hog.8x8", "tiny.16x16", "hsv.12x4x4"]
"""Three encoders that load no network."""


def views_of(page: str) -> list[str]:
    """The views that a page offers, from its source: to import a page is to draw it."""
    for node in ast.parse((PAGES / f"{page}.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VIEWS":
            return [ast.literal_eval(name) for name in node.value.keys]
    raise AssertionError(f"the page {page} has no views")


def component(app: AppTest, name: str) -> dict:
    """What a page sent to one of its components."""
    found = [
        element.proto
        for element in app.get("bidi_component")
        if element.proto.component_name == f"lookalike_{name}"
    ]
    assert found, f"no {name} on the page"
    sent = json.loads(found[0].json)
    return sent[0] if isinstance(sent, list) else sent


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


def give(app: AppTest, data: bytes) -> AppTest:
    """Run the page as it runs when a picture was dropped on the query."""
    return dropped(app, "data:image/png;base64," + base64.b64encode(data).decode())


def dropped(app: AppTest, given: str) -> AppTest:
    """The same for whatever the browser says that was dropped there."""
    return say(app, "query", "given", given)


def say(app: AppTest, name: str, event: str, value: object) -> AppTest:
    """Run the page as it runs when one of its components says something that happened."""
    return say_all(app, name, {event: value})


def say_all(app: AppTest, name: str, values: dict) -> AppTest:
    """The same of several things at once."""
    told = json.dumps([{"event": event, "value": value} for event, value in values.items()])
    place = f"$$STREAMLIT_INTERNAL_KEY_{_id(app, name)}__events"
    return _run_with(app, WidgetState(id=place, json_trigger_value=told))


def press(app: AppTest, action: str, event: str = "acted") -> AppTest:
    """Run the page as it runs when something of the compare board was pressed; ``picked``: when a
    hit was chosen to search with."""
    return say(app, "board", event, [[next(NUMBERS), action]])


def hold(app: AppTest, name: str, values: dict) -> AppTest:
    """Run the page as it runs when one of its components holds other values."""
    return _run_with(app, WidgetState(id=_id(app, name), json_value=json.dumps(values)))


def _id(app: AppTest, name: str) -> str:
    drawn = [one.proto for one in app.get("bidi_component")]
    return next(one.id for one in drawn if one.component_name == f"lookalike_{name}")


def _run_with(app: AppTest, state: WidgetState) -> AppTest:
    sent = app._tree.get_widget_states()
    sent.widgets.append(state)
    return app._run(sent)


def asked(app) -> str:
    """What the query is called."""
    return component(app, "query")["title"]


def picture(colour=(200, 60, 40), form="PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), colour).save(out, form)
    return out.getvalue()
