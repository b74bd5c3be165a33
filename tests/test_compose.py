"""The container: what compose.yaml and the Dockerfile claim and, where the image has been built, that it works."""

from __future__ import annotations

import json
import operator
import os
import re
import shlex
import shutil
import subprocess
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.launchers.npm import locked_in
from harness.proxies.nextjs import INSTANCES
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent
IMAGE = "token-stream-harness"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["harness"]


def instructions(name: str) -> list[str]:
    """Return the arguments of every Dockerfile instruction of this name, on one line each."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(None, 1)[1] for line in text.splitlines() if line.split(None, 1)[:1] == [name]]


def copied() -> list[str]:
    return [source for arguments in instructions("COPY") for source in shlex.split(arguments)[:-1]]


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: of the patterns that match it or a folder of it, the last decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if line and not line.startswith("#") and re.match(rf"{pattern}(/|$)", path):
            sent = line.startswith("!")
    return sent


# ---------------------------------------------------------------- compose.yaml


def test_the_image_is_named_by_project_and_service() -> None:
    assert f"{COMPOSE['name']}-harness" == IMAGE
    assert list(COMPOSE["services"]) == ["harness"]
    assert (ROOT / SERVICE["build"] / "Dockerfile").is_file()


def test_nothing_gets_in_or_out() -> None:
    assert SERVICE["network_mode"] == "none"
    assert not {"ports", "expose", "privileged", "devices", "env_file"} & SERVICE.keys()


def test_it_runs_unprivileged_under_an_init_process() -> None:
    assert SERVICE["init"] is True
    assert SERVICE["user"] == "${HARNESS_USER:-1000:1000}"
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert SERVICE["cap_drop"] == ["ALL"]
    assert set(SERVICE["cap_add"]) == {"CHOWN", "KILL", "SETGID", "SETUID"}


def test_only_the_users_folder_and_memory_can_be_written() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["volumes"] == [f".:{instructions('WORKDIR')[-1]}"]
    cache = re.search(r"HARNESS_CACHE=(\S+)", " ".join(instructions("ENV")))
    assert cache
    assert SERVICE["tmpfs"] == ["/tmp", f"{cache[1]}/nextjs/{INSTANCES}:mode=1777"]


# ---------------------------------------------------------------- Dockerfile and .dockerignore


def test_the_image_runs_the_harness_as_an_ordinary_user() -> None:
    assert instructions("ENTRYPOINT") == ['["harness"]']
    assert instructions("USER") == ["1000:1000"]
    assert "HOME=/tmp" in instructions("ENV")
    assert not instructions("EXPOSE")


def test_its_node_is_new_enough() -> None:
    (base,) = instructions("ARG")
    version = re.fullmatch(r"BASE=node:([\d.]+)-[a-z]+-slim", base)
    assert version
    wanted = [one.node for one in locked_in(ROOT / "configs/nextjs", "next").values()]
    assert tuple(map(int, version[1].split("."))) >= max(wanted)


def test_every_real_proxy_is_set_up() -> None:
    assert "harness setup proxies " in " ".join(instructions("RUN"))


def test_it_does_without_a_browser() -> None:
    runs = " ".join(instructions("RUN"))
    assert "chromium" not in runs
    assert "browser" not in runs


def test_it_speaks_http_2() -> None:
    assert "pip install --disable-pip-version-check '.[h2]'" in " ".join(instructions("RUN"))


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists_and_is_sent(source: str) -> None:
    assert (ROOT / source).exists()
    assert is_sent(source)


def test_what_the_package_is_made_of_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(copied()) == {
        "pyproject.toml",
        project["project"]["readme"],
        *wheel["only-include"],
    }


@pytest.mark.parametrize(
    "path", ["harness/cli/commands.py", "configs/nextjs/16.4/package-lock.json", "configs/nextjs/app/page.js"]
)
def test_the_package_is_sent(path: str) -> None:
    assert (ROOT / path).is_file()
    assert is_sent(path)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".env",
        "runs/20251121T082200Z-smoke/run.json",
        "tests/test_compose.py",
        "harness/__pycache__/cli.pyc",
        "harness/proxies/__pycache__/nginx.pyc",
        "configs/nextjs/node_modules/next/package.json",
        "configs/nextjs/.next/trace",
    ],
)
def test_nothing_else_is_sent(path: str) -> None:
    assert not is_sent(path)


# ---------------------------------------------------------------- the image, where there is one


def docker(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def image() -> None:
    """Skip, with the reason, what needs the image. Nothing is pulled or built here."""
    if not shutil.which("docker"):
        pytest.skip("docker is not installed")
    if docker("version").returncode:
        pytest.skip("no Docker engine answers")
    if docker("compose", "version").returncode:
        pytest.skip("docker has no compose plugin")
    if docker("image", "inspect", IMAGE).returncode:
        pytest.skip(f"there is no image {IMAGE}: docker compose build")


class Container:
    """`docker compose run --rm harness ...` in a folder of its own, as the folder's owner."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{IMAGE}-test-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.owner = (os.getuid(), os.getgid()) if os.getuid() else (1234, 1234)
        os.chown(folder, *self.owner)
        shutil.copy(ROOT / "compose.yaml", folder)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        rootless = "rootless" in docker("info", "--format", "{{.SecurityOptions}}").stdout
        user = "0:0" if rootless else "{}:{}".format(*self.owner)
        return subprocess.Popen(
            ["docker", "compose", "run", "--rm", "--name", self.name, "harness", *arguments],
            cwd=self.folder,
            env={**os.environ, "HARNESS_USER": user, "COMPOSE_PROJECT_NAME": COMPOSE["name"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def container(image: None, tmp_path: Path) -> Iterator[Container]:
    container = Container(tmp_path)
    yield container
    docker("rm", "--force", container.name)


@pytest.mark.proxies
def test_a_matrix_of_the_users_own_is_measured_through_its_proxies(container: Container) -> None:
    (container.folder / "my.yaml").write_text(
        "title: mine\n"
        "workloads: {short: {tokens: 16, token_bytes: 96}}\n"
        "axes: {chain: [nginx:http10, nextjs:prod], mitigations: [none, bypass-proxy]}\n"
    )
    (container.folder / "harness").mkdir()
    (container.folder / "harness" / "__init__.py").write_text("raise SystemExit('this is not the package')\n")
    process = container.start("matrix", "my.yaml", "--require", "nginx,nextjs", "--json", "out.json")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    (run,) = (container.folder / "runs").iterdir()
    for path in (run, run / "results.jsonl", container.folder / "out.json"):
        assert (path.stat().st_uid, path.stat().st_gid) == container.owner
    results = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    verdicts = {result["id"]: result["verdict"] for result in results}
    shown = {result["id"]: result["shows"]["manner"] for result in results if result["shows"]}
    assert shown["nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep"] == "at the end"
    assert verdicts["nextjs:prod/sse/chunked/curl/aiohttp/short/none/lockstep"] == "streamed"
    assert verdicts["direct/sse/chunked/curl/aiohttp/short/none/lockstep"] == "streamed"


@pytest.mark.proxies
def test_docker_stop_ends_it_at_once_and_leaves_nothing(container: Container) -> None:
    process = container.start("run", "--chain", "nginx:http10", "--pace", "paced", "--tokens", "3000")
    wait_for(lambda: list(container.folder.glob("runs/*/proxies/*/nginx.log")))
    assert docker("stop", "--time", "5", container.name).returncode == 0
    printed, _ = process.communicate(timeout=10)
    assert process.returncode == 130, printed
    wait_for(lambda: docker("ps", "--all", "--quiet", "--filter", f"name={container.name}").stdout, operator.not_)
