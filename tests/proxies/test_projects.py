"""Web projects of the user's: which rules lead to the backend; a copy is what runs, and they stay as they are."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.documents import hops
from harness.errors import InputError
from harness.launchers.commands import to_its_end
from harness.measure.bench import adapter
from harness.model import Deployment
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.proxies.projects import Project, Rule
from harness.resources import configs
from tests.commanding import Harness
from tests.sampling import some_of

API = Rule("/api/:path*", "http://app:8000/:path*")
AUTH = Rule("/auth", "https://login.example/start")
INNER = Rule("/old", "/new")

NEXT_CONFIG = """\
const backend = process.env.BACKEND
export default async () => ({
  poweredByHeader: false,
  rewrites: async () => ({ beforeFiles: [{ source: '/api/:path*', destination: `${backend}/v1/:path*` }] }),
})
"""
VITE_CONFIG = """\
export default {
  server: {
    port: 3000, open: true,
    proxy: {
      '/api': { target: 'http://localhost:8000', rewrite: (path) => path.replace(/^\\/api/, '') },
      '/auth': 'http://localhost:9000'
    }
  }
}
"""
PAGES = {
    "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>\n",
    "app/page.js": "export default () => <p>chat</p>\n",
    ".env.local": "BACKEND=http://backend.internal:8000\n",
}


def project(folder: Path, package: str, files: dict[str, str]) -> Path:
    """Lay a project with the packages that our own configs of it have."""
    proxy = PROXIES[{"next": "nextjs"}.get(package, package)]
    assert isinstance(proxy, Described)
    packages = proxy.installed().folder
    assert packages
    shutil.copytree(packages / "node_modules", folder / "node_modules", symlinks=True)
    for name, text in {"package.json": json.dumps({"private": True, "type": "module"}), **files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def digest(folder: Path) -> str:
    """Return what changes with any name, time, size or place of a link in a folder, and any text but of packages."""
    said = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        text = os.readlink(path) if path.is_symlink() else ""
        if path.is_file() and "node_modules" not in path.parts:
            text = path.read_text()
        said.update(f"{path} {seen.st_mode} {seen.st_size} {seen.st_mtime_ns} {text}".encode())
    return said.hexdigest()


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """A project whose packages are one file."""
    (tmp_path / "node_modules/next").mkdir(parents=True)
    (tmp_path / "node_modules/next/package.json").write_text('{"version": "16.4.5"}')
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "next.config.mjs").write_text("// '/auth'\nexport default [ '/api/:path*' ]\n")
    return Project(tmp_path, "next", ("next.config.js", "next.config.mjs"))


# ---------------------------------------------------------------- which rule leads where


@pytest.mark.parametrize(
    ("source", "example", "led", "not_led"),
    [
        ("/api/:path*", "/api/stream", ["/api", "/api/chat", "/api/v1/chat?x=1"], ["/apis", "/"]),
        ("/chat", "/chat", ["/chat", "/chat?a=b"], ["/chat/1", "/cha"]),
        ("/u/:id/chat", "/u/stream/chat", ["/u/7/chat"], ["/u/7/8/chat", "/u/chat"]),
        ("/x/:rest+", "/x/stream", ["/x/1/2"], ["/x"]),
        ("/x/:id?", "/x", ["/x", "/x/1"], ["/x/1/2"]),
        (r"/post/:id(\d{1,})", "", ["/post/12"], ["/post/ab"]),
    ],
)
def test_a_rewrite_leads_what_its_parameters_stand_for(
    source: str, example: str, led: list[str], not_led: list[str]
) -> None:
    rule = Rule(source, "http://app/")
    assert rule.example == example
    assert [path for path in (*led, *not_led) if rule.leads(path)] == led


def test_an_entry_of_vite_is_meant_by_its_start_or_is_a_pattern() -> None:
    assert (Rule("/api", "http://app", True).example, Rule("^/a.*", "http://app", True).example) == ("/api/stream", "")
    assert Rule("/api", "http://app", True).leads("/api/chat")
    assert Rule("^/a.*t$", "http://app", True).leads("/a/chat")
    assert not Rule("^/a.*t$", "http://app", True).leads("/b/chat")


@pytest.mark.parametrize("source", ["^/api/(?<rest>.*)", "/api/:path((?<x>a|b))", "/a/:b(x(y))"])
def test_what_only_javascript_reads_is_neither_led_on_nor_not_and_may_be_meant(bare: Project, source: str) -> None:
    rule = Rule(source, "http://app:8000/", by_start=source.startswith("^"))
    assert rule.leads("/api/x") is None
    assert bare.led([rule], Deployment(path="/api/x"))[1] == "/api/x"
    both = bare.led([rule, API], Deployment(path="/api/x"))[2]
    assert both.location
    assert both.location.text == API.source, "what is known goes first"


def test_an_origin_that_is_none_is_told_as_it_stands(bare: Project) -> None:
    """As a variable that is not set leaves it."""
    rules = [Rule("/api", "http://app:undefined/x"), AUTH]
    with pytest.raises(InputError, match=r"/api to app:undefined; /auth to login\.example:443"):
        bare.led(rules, Deployment())
    assert bare.led(rules, Deployment(map=("app:undefined",)))[0] == ["http://app:undefined"]


def test_rules_are_found_among_whatever_else_a_program_says(bare: Project) -> None:
    said = '{"rules": [{"source": "/a", "destination": "b"}]}'
    assert bare.rules(f'warning: {{}}\n{said}\n[1]\n{{"a": 1}}\n') == [Rule("/a", "b")]
    with pytest.raises(InputError, match=r"(?s)next\.config\.mjs: cannot be read by next:.*it is broken"):
        bare.rules("it is broken\n")


@pytest.mark.parametrize(
    ("rules", "said", "origins", "path", "answers"),
    [
        ([API, INNER], Deployment(), ["http://app:8000"], "/api/stream", "/api/:path*"),
        ([API, AUTH], Deployment(map=("login.example:443",)), ["https://login.example"], "/auth", "/auth"),
        ([AUTH, API], Deployment(map=("app:8000",), path="/api/chat"), ["http://app:8000"], "/api/chat", "/api/:path*"),
    ],
)
def test_one_origin_is_the_backend(
    bare: Project, rules: list[Rule], said: Deployment, origins: list[str], path: str, answers: str
) -> None:
    stands_for, asked, served_by = bare.led(rules, said)
    assert (stands_for, asked, served_by.path, served_by.said) == (origins, path, path, bool(said.path))
    assert served_by.location
    assert (served_by.location.text, served_by.location.line) == (answers, 1 if answers == "/auth" else 2)


def test_the_first_rule_that_leads_a_path_on_answers_it(bare: Project) -> None:
    """As in Vite, whose entries are meant by their start, and in the rewrites of Next.js."""
    admin, api = Rule("/api/admin", "http://admin:9000", True), Rule("/api", "http://app:8000", True)
    to_app = Deployment(map=("app:8000",))
    assert bare.led([admin, api], to_app)[1] == "/api/stream"
    with pytest.raises(InputError, match=r"only /api: /api/admin leads it to admin:9000"):
        bare.led([admin, api], replace(to_app, path="/api/admin/x"))
    with pytest.raises(InputError, match=r"--path says which path"):
        bare.led([replace(admin, source="/api"), replace(api, source="/api/app")], to_app)
    with pytest.raises(InputError, match=r"only /api/:path\*: /old leads it to /new"):
        bare.led([INNER, API], Deployment(path="/old"))
    wished = bare.led([admin, api], replace(to_app, wish="/api/admin/x"))
    assert wished[1] == "/api/stream", "what it does not lead on is not asked of it"


@pytest.mark.parametrize(
    ("text", "line"),
    [("// see ./auth\n'/auth'\n", 2), ('"/auth"\n`/auth`\n', 0), ("`/auth`", 1), ("/auth", 0), ("'/auth/x'", 0)],
)
def test_a_rule_has_the_line_where_it_is_quoted_if_that_is_once(bare: Project, text: str, line: int) -> None:
    (bare.folder / "next.config.mjs").write_text(text)
    location = bare.led([AUTH], Deployment())[2].location
    assert location
    assert location.line == line


def test_a_parameter_with_a_pattern_of_its_own_has_no_example(bare: Project) -> None:
    assert Rule("/api/:slug(a|b)", "http://app/").example == ""
    assert Rule(r"/post/:id(\d{1,})", "http://app/").example == ""


def test_what_else_leads_there_is_told_unless_a_path_was_said(bare: Project) -> None:
    rules = [API, Rule("/chat", "http://app:8000/chat")]
    assert [one.text for one in bare.led(rules, Deployment())[2].others] == ["/chat"]
    assert bare.led(rules, Deployment(path="/chat"))[2].others == ()


@pytest.mark.parametrize(
    ("rules", "said", "told"),
    [
        ([INNER], Deployment(), "passes no requests on: none of its rules leads to another origin"),
        (
            [API, AUTH],
            Deployment(),
            ".* which is the backend: /api/:path.* to app:8000; /auth to login.example:443",
        ),
        (
            [API],
            Deployment(map=("app:800",)),
            r"leads nothing to 'app:800'; allowed: app:8000 \(did you",
        ),
        ([API], Deployment(path="/chat"), "does not lead /chat to the backend, only /api/:path"),
        ([Rule("^/a.*", "http://app", True)], Deployment(), ".*--path says which path is asked for"),
    ],
)
def test_what_cannot_be_meant_is_told_with_what_could(
    bare: Project, rules: list[Rule], said: Deployment, told: str
) -> None:
    with pytest.raises(InputError, match=rf"next\.config\.mjs: {told}"):
        bare.led(rules, said)


# ---------------------------------------------------------------- what is a project, and its copy


def test_a_copy_shares_packages_alone_and_has_nothing_that_programs_make(
    bare: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (bare.folder / ".next").mkdir()
    (bare.folder / ".next/made").touch()
    (bare.folder / "node_modules/link").symlink_to("next")
    before, copy = digest(bare.folder), tmp_path_factory.mktemp("copy")
    bare.check()
    bare.lay(copy)
    assert sorted(path.name for path in copy.iterdir()) == ["next.config.mjs", "node_modules", "package.json"]
    assert (copy / "node_modules/next/package.json").samefile(bare.folder / "node_modules/next/package.json")
    assert not (copy / "package.json").samefile(bare.folder / "package.json")
    assert os.readlink(copy / "node_modules/link") == "next"
    (copy / "next.config.mjs").write_text("changed")
    assert digest(bare.folder) == before


def test_what_is_no_project_is_told(bare: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no next project: it has no package\.json"):
        Project(tmp_path / "node_modules", "next", bare.configs).check()
    (tmp_path / "node_modules/outer").symlink_to("../..")
    with pytest.raises(InputError, match=r"has node_modules/outer, which leads to \.\./\.\., out of it"):
        bare.check()
    (tmp_path / "next.config.mjs").unlink()
    with pytest.raises(InputError, match=r"has no next\.config\.js, so it passes no requests on"):
        bare.check()
    shutil.rmtree(tmp_path / "node_modules")
    with pytest.raises(InputError, match=r"has no node_modules/next: install its packages there first"):
        bare.check()


@pytest.mark.parametrize(
    ("hop", "said", "told"),
    [
        ("nextjs:web@build", Deployment(server="a:80"), "is a project, which has no servers"),
        ("nextjs:web@15.5", Deployment(), "is a project, which runs in the version that is installed in it"),
        ("vite:web@build", Deployment(), "vite has no production server"),
    ],
)
def test_what_a_project_cannot_be_asked_for_is_told(bare: Project, hop: str, said: Deployment, told: str) -> None:
    (bare.folder / "node_modules/vite").symlink_to("next")
    (bare.folder / "vite.config.js").touch()
    with pytest.raises(InputError, match=told):
        adapter(hops.read(hop), PROXIES, {hops.read(hop).bare: said}).check(bare.folder)


@pytest.mark.parametrize(
    ("hop", "config"), [("nextjs:dev@build", "nextjs/dev.yaml"), ("vite:dev@build", "vite/dev.mjs")]
)
def test_only_a_project_is_built(hop: str, config: str) -> None:
    with pytest.raises(InputError, match="@build are for a project of yours, which is a folder"):
        adapter(hops.read(hop)).check(configs() / config)


def test_what_cannot_be_copied_is_told(bare: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    os.mkfifo(bare.folder / "pipe")
    with pytest.raises(InputError, match=r"cannot be copied: .*pipe.* is a named pipe"):
        bare.lay(tmp_path_factory.mktemp("copy"))


async def test_who_is_interrupted_while_a_copy_is_laid_goes_on_when_nothing_is_written_any_more(tmp_path: Path) -> None:
    begun, goes_on, written = threading.Event(), threading.Event(), tmp_path / "written"

    def lay() -> None:
        begun.set()
        goes_on.wait(20)
        written.touch()

    laying = asyncio.create_task(to_its_end(lay))
    await asyncio.to_thread(begun.wait, 20)
    laying.cancel()
    await asyncio.sleep(0)
    assert not laying.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await laying
    assert written.exists()


# ---------------------------------------------------------------- the real ones


@pytest.mark.proxies
@pytest.mark.needs("vite")
@pytest.mark.needs("nextjs")
@some_of("hop", ["nextjs:./web", "nextjs:./web@build"], each=2)
def test_a_next_project_is_measured_as_it_is_and_stays_so(harness: Harness, tmp_path: Path, hop: str) -> None:
    before = digest(project(tmp_path / "web", "next", {"next.config.mjs": NEXT_CONFIG, **PAGES}))
    said = harness("run", "--chain", hop, "--path", "/api/chat", "--request", "browser", "--json", "out.json")
    assert said.status == 0, said.err
    *_, result = json.loads((tmp_path / "out.json").read_text())["results"]
    assert (result["verdict"], "the project's" in str(result["versions"])) == ("buffered", True)
    assert "/api/chat is served by /api/:path* (web/next.config.mjs:4)" in said.out
    assert digest(tmp_path / "web") == before


@pytest.mark.proxies
def test_a_vite_project_is_measured_as_it_is_and_stays_so(harness: Harness, tmp_path: Path) -> None:
    before = digest(project(tmp_path / "web", "vite", {"vite.config.js": VITE_CONFIG, "index.html": "<p>chat</p>"}))
    several = harness("run", "--chain", "vite:./web")
    assert "--map says which is the backend: /api to localhost:8000; /auth to localhost:9000" in several.out
    said = harness("run", "--chain", "vite:./web", "--map", "localhost:8000", "--expect", "streamed")
    assert said.status == 0, said.err
    assert "/api/stream is served by /api (web/vite.config.js:5)" in said.out
    assert digest(tmp_path / "web") == before
    (tmp_path / "web/vite.config.js").write_text("throw new Error('no key was set')\n")
    broken = harness("run", "--chain", "vite:./web")
    assert (
        broken.status,
        "web/vite.config.js: cannot be taken over by vite (rules exited with status 1):" in broken.out,
    ) == (2, True)
    assert "no key was set" in broken.out


@pytest.mark.proxies
@pytest.mark.needs("vite")
@pytest.mark.parametrize(
    ("config", "told"),
    [
        (VITE_CONFIG, "--map says which is the backend"),
        ("throw new Error('no key was set')\n", "cannot be taken over by vite"),
    ],
    ids=["two origins", "a config that fails"],
)
def test_what_is_wrong_in_a_project_ends_a_diagnosis_before_anything_is_measured(
    harness: Harness, tmp_path: Path, config: str, told: str
) -> None:
    project(tmp_path / "web", "vite", {"vite.config.js": config, "index.html": "<p>chat</p>"})
    said = harness("diagnose", "--hop", "vite:./web", "--hop", "nginx:http10")
    assert (said.status, said.err.count(told), said.out) == (2, 1, ""), said.err
    assert "lockstep" not in said.err, "no cell"
