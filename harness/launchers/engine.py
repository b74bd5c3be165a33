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
WAY_OUT = "start Docker or Podman, or say by DOCKER_HOST where it listens"
HERE = ("", "localhost", "127.0.0.1", "::1")


def chosen() -> tuple[str, str]:
    """Return where an engine is said to listen, and by what: nothing if that is left open. Raises Unavailable."""
    if address := os.environ.get("DOCKER_HOST"):
        return address, "DOCKER_HOST"
    return _of_context()


def addresses() -> list[str]:
    """Return where an engine may listen: the one place that was said, or else those that are usual."""
    address, _ = chosen()
    if address:
        return [address]
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
    tried: list[str] = []
    for one in [address] if address else addresses():
        _refuse_elsewhere(one)
        try:
            return Engine(_client(one, timeout_s, HELLO_S if hello_s is None else hello_s), one)
        except OSError as error:
            tried.append(f"{one}: {error.strerror or error}".replace(one, shown_address(one)))
    raise Unavailable(f"no container engine answers: {without_userinfo('; '.join(tried))}", WAY_OUT)


def shown_address(address: str) -> str:
    """Return all of an engine's address but whom it logs in, which need be no URL to have that."""
    scheme, sign, rest = address.rpartition("://")
    if "@" not in rest or scheme == "unix":
        return address
    return f"{scheme}{sign}{HIDDEN}@{rest.rpartition('@')[2]}"


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
    """Return where the context's engine listens, and which that is; nothing if none is chosen. Raises Unavailable for
    an unknown one.
    """
    from docker.context import ContextAPI
    from docker.errors import DockerException

    named = os.environ.get("DOCKER_CONTEXT")
    try:
        context = ContextAPI.get_context(named) if named else ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError) as error:
        raise Unavailable(
            f"the chosen docker context cannot be read: {without_userinfo(str(error))}", "docker context ls"
        ) from None
    if named and context is None:
        raise Unavailable(f"there is no docker context {named}", "docker context ls")
    if context is None or context.name == "default":
        return "", ""
    return str(context.Host).replace("http+unix://", "unix://"), f"docker context {context.name}"


def _refuse_elsewhere(address: str) -> None:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:  # whose words quote what the address logs in
        raise Unavailable(f"{shown_address(address)} is no address of an engine", WAY_OUT) from None
    if address.startswith("ssh:") or (address.startswith(("tcp:", "http")) and host not in HERE):
        why = f"the engine at {shown_address(address)} is another machine's: its loopback and its files are not ours"
        raise Unavailable(why, "run the harness there")


def _root_of(error: BaseException) -> str:
    """Return what an error of the SDK's comes of, without the wrappings of the libraries that it passed through."""
    if explanation := getattr(error, "explanation", None):
        return without_userinfo(str(explanation))
    while inner := error.__cause__ or error.__context__:
        error = inner
    return without_userinfo(getattr(error, "strerror", None) or str(error)) or type(error).__name__
