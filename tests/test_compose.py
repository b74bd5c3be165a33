"""The container: what compose.yaml and the Dockerfile claim and, where the image has been built, that it works."""

from __future__ import annotations

import json
import operator
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.docker import BUILD
from harness.launchers.npm import locked_in
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.proxies.emulator import SERVER, read_profile
from harness.proxies.hold import Policy
from harness.proxies.nextjs import INSTANCES
from harness.proxies.placeholders import asked
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent
IMAGE = "token-stream-harness"
TARGETS = ("backend-packages", "backend", "nextjs-packages", "nextjs", "harness")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVICE = SERVICES["harness"]
CHAIN = ("backend", "nginx", "nextjs", "emulator")


def instructions(name: str, target: str) -> list[str]:
    """Return the arguments of every instruction of this name in a stage of the Dockerfile, on one line each."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stages = re.split(r"^FROM \S+ AS (\S+)\n", text, flags=re.MULTILINE)
    stage = stages[stages.index(target) + 1]
    return [line.split(None, 1)[1] for line in stage.splitlines() if line.split(None, 1)[:1] == [name]]


def copied(*targets: str) -> list[str]:
    return [
        source
        for target in targets or TARGETS
        for arguments in instructions("COPY", target)
        if not arguments.startswith("--from")
        for source in shlex.split(arguments)[:-1]
    ]


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: of the patterns that match it or a folder of it, the last decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if line and not line.startswith("#") and re.match(rf"{pattern}(/|$)", path):
            sent = line.startswith("!")
    return sent


# ---------------------------------------------------------------- compose.yaml


def test_each_image_is_named_as_compose_would_and_the_harness_knows_the_emitters() -> None:
    built = {name: service["image"] for name, service in SERVICES.items() if "build" in service}
    assert built == {name: f"{COMPOSE['name']}-{name}" for name in built}
    assert built["harness"] == IMAGE
    assert built["backend"] == SERVICES["emulator"]["image"] == EMITTER_IMAGE
    assert BUILD.endswith(f": docker compose build {next(name for name in built if built[name] == EMITTER_IMAGE)}")


def test_images_are_pinned_once() -> None:
    pinned = COMPOSE["x-images"]
    assert all(re.fullmatch(r"[a-z/]+:v?\d[\w.-]*", image) for image in pinned.values())
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert arguments == {"PYTHON": pinned["python"], "NODE": pinned["node"]}
    for service in SERVICES.values():
        build = service.get("build")
        assert (
            build["args"].items() <= arguments.items()
            if build
            else service["image"] in {EMITTER_IMAGE, pinned["nginx"]}
        )


def test_every_program_that_comes_in_images_has_one_that_is_pinned() -> None:
    for name, proxy in PROXIES.items():
        if isinstance(proxy, Described) and (said := proxy.said.sources.docker):
            assert COMPOSE["x-images"][name].partition(":")[0] == said.image


@pytest.mark.parametrize("name", CHAIN)
def test_what_is_tried_by_hand_is_on_loopback_shut_in_and_asked_whether_it_serves(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"127\.0\.0\.1:808\d:8080", *service["ports"])
    assert name in service["profiles"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode"} & service.keys()
    user = service.get("user") or instructions("USER", service.get("build", {"target": "backend"})["target"])[-1]
    assert user == "65534:65534"
    for behind in service.get("depends_on", ()):
        assert set(service["profiles"]) <= set(SERVICES[behind]["profiles"]), "a profile has what is behind it, too"


def test_up_brings_all_of_the_chain_and_not_the_harness() -> None:
    (line,) = (ROOT / ".env").read_text().splitlines()
    assert line.removeprefix("COMPOSE_PROFILES=").split(",") == [*CHAIN]
    assert SERVICE["profiles"] == ["harness"]


def test_the_emulator_plays_what_its_config_says() -> None:
    (policy,) = (word.removeprefix("--policy=") for word in SERVICES["emulator"]["command"] if "--policy=" in word)
    assert Policy.from_json(policy) == read_profile(ROOT / "configs/cloudrun/report.yaml").policy


@pytest.mark.parametrize("variant", ["http10", "http11", "buffering-off", "gzip", "paths"])
def test_no_placeholder_is_left_in_an_nginx_config_that_is_tried_by_hand(variant: str) -> None:
    (script,) = SERVICES["nginx"]["command"]
    filled = set(re.findall(r"s\|\$\$\{(\w+)\}\|", script))
    assert asked([(ROOT / f"configs/nginx/{variant}.conf").read_text()]) <= filled


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
    assert SERVICE["volumes"] == [f".:{instructions('WORKDIR', 'harness')[-1]}"]
    cache = re.search(r"HARNESS_CACHE=(\S+)", " ".join(instructions("ENV", "harness")))
    assert cache
    assert SERVICE["tmpfs"] == ["/tmp", f"{cache[1]}/nextjs/{INSTANCES}:mode=1777"]


# ---------------------------------------------------------------- Dockerfile and .dockerignore


def test_the_image_runs_the_harness_as_an_ordinary_user() -> None:
    assert instructions("ENTRYPOINT", "harness") == ['["harness"]']
    assert instructions("USER", "harness") == ["1000:1000"]
    assert "HOME=/tmp" in instructions("ENV", "harness")
    assert not instructions("EXPOSE", "harness")


def test_its_node_is_new_enough() -> None:
    version = re.fullmatch(r"node:([\d.]+)-[a-z]+-slim", COMPOSE["x-images"]["node"])
    assert version
    wanted = [one.node for one in locked_in(ROOT / "configs/nextjs", "next").values()]
    assert tuple(map(int, version[1].split("."))) >= max(wanted)


def test_every_real_proxy_is_set_up() -> None:
    assert "harness setup proxies " in " ".join(instructions("RUN", "harness"))


def test_it_does_without_a_browser() -> None:
    runs = " ".join(instructions("RUN", "harness"))
    assert "chromium" not in runs
    assert "browser" not in runs


def test_it_speaks_http_2() -> None:
    assert "pip install --disable-pip-version-check '.[h2]'" in " ".join(instructions("RUN", "harness"))


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists_and_is_sent(source: str) -> None:
    assert (ROOT / source).exists()
    assert is_sent(source)


def test_what_the_package_is_made_of_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(copied("harness")) == {
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


def test_what_is_deployed_has_the_emitter_and_no_build_tools() -> None:
    assert instructions("ENTRYPOINT", "backend") == [
        '["python3", "-m", "harness.backends.public", "--host", "0.0.0.0"]'
    ]
    assert instructions("RUN", "backend") == ["pip uninstall --yes pip"]
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    installed = re.findall(r"'([^']+)'", " ".join(instructions("RUN", "backend-packages")))
    assert installed == [one for one in dependencies if one.startswith("aiohttp")]


IMPORTS = """
import sys
import {module}
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{"pydantic", "yaml", "typer", "rich", "docker"}}))
"""


@pytest.mark.parametrize("module", ["harness.backends.public", "harness.backends.emitter", SERVER])
def test_what_runs_in_the_emitters_image_needs_nothing_else(module: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(module=module)], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == ""


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
        pytest.skip(f"there is no image {IMAGE}: docker compose build harness")


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
