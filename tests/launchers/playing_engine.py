"""Plays a container engine at a socket of its own: what one tells of itself and of its images, in its own words."""

from __future__ import annotations

import contextlib
import json
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

DOCKER: Mapping[str, Any] = {
    "Version": "20.10.24",
    "ApiVersion": "1.41",
    "Components": [{"Name": "Engine", "Version": "20.10.24"}, {"Name": "containerd", "Version": "1.6.20"}],
}
PODMAN: Mapping[str, Any] = {
    "Version": "5.4.2",
    "ApiVersion": "1.41",
    "Components": [{"Name": "Podman Engine", "Version": "5.4.2"}, {"Name": "Conmon", "Version": "2.1.12"}],
}
ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}


@contextlib.contextmanager
def engine_at(
    socket: Path, version: Mapping[str, Any], info: Mapping[str, Any], images: Sequence[str] = (), fails: str = ""
) -> Iterator[str]:
    """Listen there while the block runs; return the address. It fails at what is asked by the path `fails`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = re.sub(r"^/v[\d.]+", "", self.path)
            image = re.fullmatch(r"/images/(.+)/json", path)
            if path == fails:
                self._answer(500, {"message": "it is broken"})
            elif image and image[1] not in images:
                self._answer(404, {"message": f"No such image: {image[1]}"})
            else:
                self._answer(200, {"Id": "sha256:1f"} if image else {"/version": version, "/info": info}[path])

        def _answer(self, status: int, said: Mapping[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "a socket"

        def log_message(self, format: str, *args: object) -> None: ...

    with socketserver.ThreadingUnixStreamServer(str(socket), Answers) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.shutdown()
            serving.join()
