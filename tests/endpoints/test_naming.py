"""What is named as an application: how it is told, and what is none."""

from __future__ import annotations

import sys

import pytest

from harness.errors import InputError
from harness.session import recording
from harness.session.recording import Application, application, record
from tests.answering import KEY


@pytest.mark.parametrize(
    ("given", "source", "target"),
    [
        ("http://h:1/a?key=1#f", "GET http://h:1/a?...", "/a?key=1"),
        ("https://h", "GET https://h", "/"),
        ("command: serve --port ${PORT}", "GET /p?... of command: serve", "/p?key=1"),
        ("asgi:plain", "GET /p?... of asgi:plain", "/p?key=1"),
    ],
)
def test_an_application_is_told_without_what_is_secret(given: str, source: str, target: str) -> None:
    asked = application(given, path="/p?key=1", headers=(("X", KEY),), body=KEY.encode())
    assert (asked.source, asked.target) == (source, target)
    assert KEY not in repr(asked)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("ftp://h/", "--backend: 'ftp://h/' is no application; allowed: a URL, asgi:./app.py"),
        ("nginx:default", "is no application"),
        ("command:", "there is no command behind command:"),
        ("command: 'x", "the command cannot be read: No closing quotation"),
        ("asgi:./none.py", r"none\.py"),
    ],
)
def test_what_is_no_application_is_told(given: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        application(given)


@pytest.mark.proxies
async def test_a_command_that_does_not_serve_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Application(
        "GET", "/", (("X", KEY),), None, command=(sys.executable, "-c", f"raise SystemExit('{KEY} is wrong')")
    )
    with pytest.raises(InputError, match=r"did not start: .*exited with status 1(.|\n)*\(redacted\) is wrong"):
        await record(asked, lambda line: None)
    monkeypatch.setattr(recording, "COMMAND_S", 0.1)
    deaf = Application("GET", "/", (), None, command=(sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(InputError, match=r"did not answer on port (.|\n)*it has to listen on \$\{PORT\}, or on \$PORT"):
        await record(deaf, lambda line: None)
