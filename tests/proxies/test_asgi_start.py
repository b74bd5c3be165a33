"""What keeps an application from being served: refused before it starts, or told in a sentence with its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import resources
from harness.documents import hops
from harness.errors import InputError, ProxyError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.application_options import ASGI, serving
from harness.proxies.asgi import Asgi, last_words

real = pytest.mark.proxies
set_up = pytest.mark.needs("asgi")

APPS = resources.configs() / "asgi"
BLOCK = "# /// script\n# dependencies = {}\n# ///\n"
MINE = '''\
"""Mine."""

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"mine"})
'''


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("mine.py", "def app(:\n", r"mine\.py:1: invalid syntax"),
        ("mine.py", "application = None\n", r"mine\.py: there is no `app`"),
        ("my app.py", "app = None\n", r"a server cannot import 'my app'; rename it"),
        ("mine.py", "\x00", r"mine\.py.*null"),
        (
            "uvicorn.py",
            "app = 1\n",
            r"uvicorn\.py: Python would take it for the module uvicorn of that name; rename it",
        ),
        ("uvicorn_worker.py", "app = 1\n", "the module uvicorn_worker of that name"),
        ("anyio.py", "app = 1\n", "the module anyio of that name"),
        ("queue.py", "app = 1\n", "the module queue of that name"),
        ("openai.py", BLOCK.format('["openai>=2"]') + "app = 1\n", "the module openai of that name"),
        (
            "mine.py",
            '# /// script\n# dependencies = "x"\n# ///\napp = 1\n',
            "dependencies in `# /// script` must be a list",
        ),
    ],
)
def test_an_app_that_cannot_serve_is_refused_with_file_and_line(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=complaint):
        Asgi().check(tmp_path / name)


def test_what_would_run_in_place_of_a_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "gunicorn.py").write_text("")
    with pytest.raises(InputError, match=r"mine\.py: gunicorn\.py beside it would run in place of the server gunicorn"):
        Asgi().check(tmp_path / "mine.py")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ""),
        ("INFO:     Started server process [1]\n[at] [1] [INFO] Worker exiting (pid: 1)\n", ""),
        ('Traceback:\n  File "mine.py", line 1\n    import x\nImportError: no x\n', "ImportError: no x"),
        ("  raise Mine\nmine.Mine\n", "mine.Mine"),
        (
            "  a()\nKeyError: 1\n\nDuring handling of it, another:\n\n  b()\nValueError: 2\nmore: of it\n",
            "ValueError: 2",
        ),
        ('INFO:     Started\nERROR:    Error loading ASGI app. No "app".\n', 'Error loading ASGI app. No "app".'),
        (
            "not callable\n[at] [1] [INFO] Worker exiting\n[at] [1] [ERROR] Reason: App failed to load.\n",
            "not callable",
        ),
        ("[at +0000] [1] [ERROR] Reason: App failed to load.\n", "Reason: App failed to load."),
    ],
)
def test_the_last_words_of_an_app_are_its_exception_without_the_traceback(log: str, told: str) -> None:
    assert last_words(log) == told


@pytest.mark.parametrize(
    "text", ["from x import app\n", "import y as app\n", "class app: pass\n", "if True:\n    app = 1\n", MINE]
)
def test_an_app_may_come_about_in_many_ways(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    Asgi().check(tmp_path / "mine.py")


@real
@set_up
@pytest.mark.parametrize("server", ASGI.choices["server"])
async def test_an_app_that_does_not_start_is_the_users_and_told_in_its_last_words(server: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"{MINE}\nraise RuntimeError('no licence for ' + __name__)\n")
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    asgi = Asgi(serving(hops.read(f"asgi:mine@{server}"), ASGI))
    async with Launcher() as launcher:
        with pytest.raises(InputError) as told:
            await asgi.start(tmp_path / "mine.py", Endpoint(1), evidence, launcher)
    log = evidence / "asgi.log"
    hop = f"asgi:{tmp_path}/mine.py{'' if server == ASGI.choices['server'][0] else f'@{server}'}"
    assert str(told.value) == f"{hop} cannot be served: RuntimeError: no licence for mine (the whole log: {log})"
    assert "Traceback" in log.read_text()


@real
@set_up
@pytest.mark.parametrize(
    ("setting", "text", "words"),
    [
        ("PAUSE_S=abc", None, "ValueError: PAUSE_S must be a number of seconds such as 0.01, not 'abc'"),
        ("PAUSE_S=-1", None, "ValueError: PAUSE_S must be a number of seconds such as 0.01, not '-1'"),
        (
            "A=1",
            f"{MINE}raise SystemExit(0)\n",
            "its server ended with status 0 and no word: something that it imports",
        ),
        ("gunicorn", f"{MINE}raise SystemExit(0)\n", "its server ended with status 1 and no word: something that it"),
        ("A=1", f"import nonesuch\n{MINE}", "No module named 'nonesuch'; a package that it needs has to stand in its"),
    ],
)
async def test_what_keeps_it_from_starting_is_told_in_a_sentence(
    setting: str, text: str | None, words: str, tmp_path: Path
) -> None:
    app = APPS / "plain.py"
    if text:
        app = tmp_path / "mine.py"
        app.write_text(text)
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    async with Launcher() as launcher:
        with pytest.raises(InputError) as told:
            await Asgi(serving(hops.read(f"asgi:mine@{setting}"), ASGI)).start(app, Endpoint(1), evidence, launcher)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@real
@set_up
async def test_an_app_that_is_killed_while_it_starts_is_not_the_users_fault(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"import os\n{MINE}os.kill(os.getpid(), 9)\n")
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match="asgi was killed by SIGKILL"):
            await Asgi().start(tmp_path / "mine.py", Endpoint(1), evidence, launcher)
