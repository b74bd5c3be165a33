"""The container engine that answers here: Docker's or Podman's, by whatever way their own tools would find it.

Rules: DOCKER_HOST is obeyed; else the context that is chosen (DOCKER_CONTEXT, `docker context use`); else the sockets
are tried at which rootful and rootless engines listen. It has to run on this machine: what a container offers is
published on the loopback of the engine's machine, and what it reads is mounted from its files. Of an address is told
all but whom it logs in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from harness.errors import ProxyError, Unavailable
from harness.model import HIDDEN, without_userinfo

if TYPE_CHECKING:  # the SDK takes a third of a second to import: only who has containers is to wait for it
    from docker import DockerClient
    from docker.models.images import Image

HELLO_S = 10.0
"""How long an engine may take to say that it is there: one that hangs has a socket that accepts, and is silent."""
ANSWERS_S = 60.0
"""How long it may take for one thing that it is asked to do."""
LISTENS = "unix:///PATH, or tcp://127.0.0.1:PORT"
WAY_OUT = f"start Docker or Podman, or say by DOCKER_HOST where it listens: {LISTENS}"
BY_HOST, BY_CONTEXT, USUAL = "DOCKER_HOST", "docker context", "usual socket"
"""Who gives an engine's address."""
ANOTHER_CONTEXT = "docker context ls, docker context use NAME"
HERE = ("", "localhost", "127.0.0.1", "::1")


def chosen() -> tuple[str, str]:
    """Return where an engine is said to listen, and by what: nothing if that is left open. Raises Unavailable."""
    if address := os.environ.get(BY_HOST):
        return address, BY_HOST
    return _of_context()


def usual_addresses() -> list[str]:
    """Return where an engine may listen if nobody says where: one of them at least."""
    mine = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    sockets = ("/var/run/docker.sock", f"{mine}/docker.sock", f"{mine}/podman/podman.sock", "/run/podman/podman.sock")
    found = [f"unix://{socket}" for socket in sockets if Path(socket).exists()]
    return found or [f"unix://{sockets[0]}"]


@dataclass(frozen=True)
class Engine:
    """An engine that has answered, and where."""

    client: DockerClient
    address: str

    @property
    def is_rootless(self) -> bool:
        """Whether it runs as an ordinary user: then that user is root in its containers."""
        options = self._told.get("SecurityOptions") or []
        return any("rootless" in option for option in options) or bool(self._told.get("Rootless"))

    @property
    def shares_our_clock(self) -> bool:
        """Whether containers run on the kernel that we run on, so that CLOCK_MONOTONIC is one and the same."""
        return os.uname().sysname == "Linux" and self._told.get("KernelVersion") == os.uname().release

    def words(self) -> str:
        """Return what it is, whose, and where: `Podman 5.4.2, rootless, at unix:///...`. Blocks. Raises ProxyError.

        Podman names itself in the list of its components (containers/podman at 09ebdfa, version.go:37 of
        pkg/api/handlers/compat).
        """
        with told("the engine does not tell of itself"):
            version = self.client.version()
            parts = [str(one.get("Name")) for one in version.get("Components") or ()]
            whose = "rootless" if self.is_rootless else "rootful"
        name = "Podman" if any(part.startswith("Podman") for part in parts) else "Docker"
        return f"{name} {version.get('Version', 'of no version told')}, {whose}, at {shown_address(self.address)}"

    def image(self, name: str) -> Image | None:
        """Return the image that has that name here; None if none has. Blocks. Raises ProxyError."""
        from docker.errors import ImageNotFound

        try:
            with told(f"the engine does not tell of {name}"):
                return self.client.images.get(name)
        except ProxyError as error:
            if isinstance(error.__cause__, ImageNotFound):
                return None
            raise

    @cached_property
    def _told(self) -> Mapping[str, Any]:
        return self.client.info()

    def close(self) -> None:
        """Hang up."""
        self.client.close()


def connected(address: str = "", timeout_s: float | None = ANSWERS_S, hello_s: float | None = None) -> Engine:
    """Return the engine that answers, which the caller closes. Blocks. Raises Unavailable if none does.

    `timeout_s` is how long it may be silent while it does what it was asked, `hello_s` before it says that it is there:
    `HELLO_S` unless that is said.
    """
    said, by = (address, "") if address else chosen()
    tried: list[str] = []
    for one in [said] if said else usual_addresses():
        shown = _shown(one, by if said else USUAL)
        _refuse_elsewhere(one, shown, by)
        try:
            return Engine(_client(one, timeout_s, HELLO_S if hello_s is None else hello_s), one)
        except OSError as error:
            tried.append(f"{shown}: {error.strerror or error}".replace(one, shown_address(one)))
    raise Unavailable(f"no container engine answers: {without_userinfo('; '.join(tried))}", _way_out(by))


def shown_address(address: str) -> str:
    """Return all of an engine's address but whom it logs in, which need be no URL to have that."""
    scheme, sign, rest = address.partition("://") if "://" in address else ("", "", address)
    if "@" not in rest or scheme == "unix":
        return address
    return f"{scheme}{sign}{HIDDEN}@{rest.rpartition('@')[2]}"


def _shown(address: str, by: str) -> str:
    return f"{shown_address(address)}{by and f' ({by})'}"


def _way_out(by: str) -> str:
    """Return what to do about an address that is of no use, as it was given."""
    if by == BY_HOST:
        return f"start that engine, or have {BY_HOST} say where one listens ({LISTENS}), or unset it"
    if by.startswith(BY_CONTEXT):
        other = f"choose another ({ANOTHER_CONTEXT})"
        return f"start that engine, or {other}, or say by {BY_HOST} where one listens: {LISTENS}"
    return WAY_OUT


def _client(address: str, timeout_s: float | None, hello_s: float) -> DockerClient:
    """Return a client that has had an answer. Raises OSError, without the SDK where there is not even a socket."""
    if address.startswith("unix://"):
        Path(address.removeprefix("unix://")).stat()
    from docker import DockerClient
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    try:
        tls = kwargs_from_env().get("tls", False) if address.startswith("tcp:") else False
        client = DockerClient(base_url=address, timeout=cast(int, hello_s), version="auto", tls=tls)
    except DockerException as error:
        raise OSError(_root_of(error)) from error
    client.api.timeout = cast(int, timeout_s)
    return client


@contextmanager
def told(what: str) -> Iterator[None]:
    """Tell of what an engine refuses, or does not answer, as a ProxyError: `what` could not be done."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, RequestException, HTTPError) as error:  # the last, of an answer that breaks off
        raise ProxyError(f"{what}: {_root_of(error)}") from error


def _of_context() -> tuple[str, str]:
    """Return where the context's engine listens, which that is and who chose it; nothing if none is chosen.

    Raises Unavailable for one that is unknown, or cannot be read.
    """
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name, get_meta_file
    from docker.utils.config import find_config_file

    named = os.environ.get("DOCKER_CONTEXT")
    name = str(named or get_current_context_name() or "default")
    if name == "default":
        return "", ""
    by = f"{BY_CONTEXT} {name}, chosen by {'DOCKER_CONTEXT' if named else cast(str, find_config_file())}"
    try:
        context = ContextAPI.get_context(name)
        address = context and context.Host
    except Exception as error:  # of a file that is none, the SDK raises whatever it stumbles over, and bare ones
        why = f"{by}, cannot be read from {get_meta_file(name)}: {without_userinfo(str(error))}"
        raise Unavailable(why, ANOTHER_CONTEXT) from None
    if not address:
        raise Unavailable(f"there is no engine's address in {by}" if context else f"there is no {by}", ANOTHER_CONTEXT)
    return str(address).replace("http+unix://", "unix://"), by


def _refuse_elsewhere(address: str, shown: str, by: str) -> None:
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")  # as docker's own tools take it
        host = parts.hostname or ""
        _ = parts.port  # the SDK stumbles over one that is none
    except ValueError:  # whose words quote what the address logs in
        raise Unavailable(f"{shown} is no address of an engine", _way_out(by)) from None
    if parts.scheme == "ssh" or (parts.scheme in ("tcp", "http", "https") and host not in HERE):
        why = f"the engine at {shown} is another machine's: its loopback and its files are not ours"
        raise Unavailable(why, f"run the harness there; or, for one that runs here, {_way_out(by)}")


def _root_of(error: BaseException) -> str:
    """Return what an error of the SDK's comes of, without the wrappings of the libraries that it passed through."""
    if explanation := getattr(error, "explanation", None):
        return without_userinfo(str(explanation))
    while inner := error.__cause__ or error.__context__:
        error = inner
    return without_userinfo(getattr(error, "strerror", None) or str(error)) or type(error).__name__
