"""What stands between the network and the pages: headers, keys, request numbers, logs, health."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from pathlib import Path

import pytest

from core.errors import UserError
from core.services import doctor
from core.services.hosting import logs, ownership, settings, web
from pages.parts import guard

TOKEN = "correct horse battery staple"


def asked(path: str = "/", headers: dict[str, str] | None = None, scheme: str = "http"):
    """Status, headers (a list of pairs) and body that the front answers with, before an app that
    says ``hello``."""
    sent = []

    async def app(scope, receive, send):
        said = [(b"content-type", b"text/html"), (b"Server", b"uvicorn/1.2.3")]
        await send({"type": "http.response.start", "status": 200, "headers": said})
        await send({"type": "http.response.body", "body": b"hello"})

    async def send(message):
        sent.append(message)

    given = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": given, "scheme": scheme}
    asyncio.run(web.Front(app)(scope, None, send))
    pairs = [(name.decode().lower(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], pairs, sent[1]["body"]


def test_every_answer_has_the_headers_and_names_no_version():
    for path in ("/", "/static/js/index.js", "/media/x.png", web.HEALTH, "/_stcore/metrics"):
        _, pairs, _ = asked(path)
        told = dict(pairs)
        assert told["x-content-type-options"] == "nosniff"
        assert told["x-frame-options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in told["content-security-policy"]
        assert "object-src 'none'" in told["content-security-policy"]
        assert "1.2.3" not in str(pairs)


def test_a_browser_without_a_key_gets_one_that_scripts_cannot_read():
    _, pairs, body = asked()
    cookies = [value for name, value in pairs if name == "set-cookie"]
    assert body == b"hello"
    assert len(cookies) == 1
    key = re.match(rf"{web.COOKIE}=([\w-]+);", cookies[0])[1]
    assert ownership.is_key(key)
    assert "HttpOnly" in cookies[0]
    assert "SameSite=Lax" in cookies[0]
    assert "Secure" not in cookies[0]
    for secure in (asked(scheme="https"), asked(headers={"x-forwarded-proto": "https"})):
        assert "Secure" in dict(secure[1])["set-cookie"]
    kept = asked(headers={"cookie": f"a=b; {web.COOKIE}={key}"})[1]
    assert "set-cookie" not in dict(kept)


@pytest.mark.parametrize("forged", ["", "short", "../" * 20, '"', "a" * 44, "=;=;", "é" * 43])
def test_a_forged_key_is_replaced(forged):
    pairs = asked(headers={"cookie": f"{web.COOKIE}={forged}"})[1]
    assert ownership.is_key(dict(pairs)["set-cookie"].split("=")[1].split(";")[0])


def test_where_nobody_is_a_stranger_no_key_is_given(monkeypatch):
    monkeypatch.setenv(settings.SWITCH, "")
    assert "set-cookie" not in dict(asked()[1])
    assert asked("/_stcore/metrics")[0] == 200


def test_the_servers_inside_is_closed():
    assert asked("/_stcore/metrics")[0] == 404
    assert asked("/_stcore/script-health-check")[0] == 404


def test_health_says_ok_or_failing_and_nothing_of_the_server(artifacts, monkeypatch):
    status, _, body = asked(web.HEALTH)
    assert status == 200
    assert json.loads(body) == {"status": "ok", "checks": {"artifacts": True, "disk": True}}
    monkeypatch.setattr(web, "LEAST_FREE", 1 << 62)
    status, _, body = asked(web.HEALTH)
    assert (status, json.loads(body)["status"]) == (503, "failing")
    assert str(artifacts) not in body.decode()


def test_a_request_has_a_number_and_a_proxys_is_taken_where_it_is_one():
    assert dict(asked(headers={"x-request-id": "abcd-1234"})[1])["x-request-id"] == "abcd-1234"
    for forged in ("x" * 500, "a\nb: c", "<script>", "'; drop"):
        assert dict(asked(headers={"x-request-id": forged})[1])["x-request-id"] != forged


def test_logs_are_lines_of_json_with_the_request_and_no_secret(monkeypatch):
    monkeypatch.setenv(settings.TOKEN, TOKEN)
    number = logs.begin_request()
    secrets = (TOKEN, "Cookie: lookalike_visitor=abcdef", "password='hunter22'", "token: abcdef")
    for secret in secrets:
        try:
            raise ValueError(f"with {secret} inside")
        except ValueError:
            record = logging.getLogger("x").makeRecord(
                "x", logging.ERROR, "x.py", 1, "failed with %s", (secret,), True
            )
            import sys

            record.exc_info = sys.exc_info()
        line = logs.Lines().format(record)
        told = json.loads(line)
        assert told["request"] == number
        assert told["level"] == "error"
        assert "Traceback" in told["error"]
        for word in (TOKEN, "abcdef", "hunter22"):
            assert word not in line


def test_what_nobody_foresaw_is_told_by_a_number_that_the_log_has(monkeypatch, caplog):
    monkeypatch.setattr(guard, "hosted", lambda: True)
    number = logs.begin_request()
    with pytest.raises(UserError) as refused, caplog.at_level(logging.ERROR):
        guard.guarded(Path("/nowhere/secret").read_text, "The map")
    said = f"{refused.value}"
    assert f"Tell the operator: {number}." in said
    for word in ("secret", "FileNotFoundError", "Traceback"):
        assert word not in said
    (record,) = caplog.records
    told = json.loads(logs.Lines().format(record))
    assert (told["request"], told["level"]) == (number, "error")
    assert "FileNotFoundError" in told["error"]


def test_the_log_names_no_address_of_a_visitor(monkeypatch):
    names = ("streamlit.web", "uvicorn.access", "uvicorn.error")
    for name in ("", "streamlit", "uvicorn", *names):  # what is set lasts for the whole process
        logger = logging.getLogger(name)
        for held, as_it_was in (("handlers", list(logger.handlers)), ("propagate", False)):
            monkeypatch.setattr(logger, held, as_it_was)
    told = io.StringIO()
    monkeypatch.setattr("sys.stderr", told)
    assert logs.configure()
    for name in names:
        logger = logging.getLogger(name)
        logs.adopt(logger)
        monkeypatch.setattr(logger, "level", logging.INFO)
        logger.info("%s asked", "203.0.113.7" if name != "streamlit.web" else "somebody")
        logger.warning("a warning")
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["somebody asked", *["a warning"] * 3]


def test_a_visitor_reads_no_place_of_the_server(visiting, anna, artifacts):
    said = f"The folder {artifacts}/models can't be written. See /etc/passwd, /srv/me/x y.zip"
    assert UserError(said).given == said
    with visiting(anna):
        told = UserError(said).given
    assert str(artifacts) not in told
    assert "/etc" not in told
    assert "/srv/me" not in told
    with visiting(anna):
        plain = "mAP 0.5 and/or https://example.org/a/b at 3 pictures/s"
        assert UserError(plain).given == plain


def test_doctor_tells_how_the_server_is_set_and_never_the_token(monkeypatch):
    monkeypatch.setenv(settings.TOKEN, TOKEN)
    monkeypatch.setenv("LOOKALIKE_VISITOR_MB", "77")
    rows = doctor._visitors()
    assert "LOOKALIKE_VISITOR_MB=77" in str(rows)
    assert TOKEN not in str(rows)
    monkeypatch.setenv("LOOKALIKE_VISITOR_MB", "many")
    assert doctor._visitors()[0]["state"] == "broken"


def test_the_page_on_hosting_lists_every_setting_with_its_default():
    text = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| `LOOKALIKE_")]
    told = {line.split("`")[1]: line for line in lines}
    assert list(told) == [one.variable for one in settings.TABLE]
    for one in settings.TABLE:
        assert f"| {one.default:g}" in told[one.variable]
        assert one.about in told[one.variable]
