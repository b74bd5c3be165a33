"""Has a program test a config before anything is measured: what it has against it is told where the user wrote it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.errors import Complaint, InputError, ProxyError
from harness.launchers.ports import reserved_port
from harness.launchers.process import Launcher, until
from harness.model import Endpoint
from harness.proxies import placeholders
from harness.proxies.starting import Start

TEST_S = 60.0


async def tested(place: str, start_in: Callable[[Path], Start]) -> None:
    """Run what `explains` a config, as the program would be started in a folder that is then gone.

    Raises InputError with the program's words if it refuses the config, does not come to an end or cannot be executed,
    at `place` if it names no other; Unavailable if it asks for a certificate that cannot be made.
    """
    async with Launcher() as launcher:
        evidence = launcher.folder("test")
        start = start_in(evidence)
        folder = launcher.folder(start.name)
        with reserved_port() as port:
            _, env = start.write(port, Endpoint(1), folder, evidence)
            values = placeholders.values(port, Endpoint(1), folder)
            command = [placeholders.filled(word, values) for word in start.explains]
            try:
                testing = await launcher.launch(start.name, command, log=evidence / "test.log", cwd=start.cwd, env=env)
            except ProxyError as error:
                raise InputError(Complaint(f"`explains`: {error}", file=place)) from error
            if not await until(testing.death, TEST_S):
                raise InputError(Complaint(f"{start.name} has not read it within {TEST_S:g} s", file=place))
        if testing.returncode:
            words = testing.words()
            whole = words.strip() or f"`explains`: {testing.death()}, and said nothing"
            complaints = start.complaints.filled_in(values)
            said = complaints.found(words) or [Complaint(complaints.told(whole))]
            raise InputError(*(one if one.file else replace(one, file=place) for one in said))
