"""Has pip put packages into a folder of the cache: only wheels, so that none runs anything when it is fetched."""

from __future__ import annotations

import sys

from harness.launchers.installation import Steps

PIP = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
ONLY_WHEELS = ("--only-binary", ":all:")
FILES = "files"
"""Where in an installation's folder the packages lie then."""

WANTED = "wanted.txt"


def install(steps: Steps, *what: str) -> None:
    """Install what pip's arguments name. Raises Unavailable with its last words."""
    steps.run([*PIP, "install", *ONLY_WHEELS, *what, "--target", FILES])


def install_locked(steps: Steps, requirements: str, *options: str) -> None:
    """Install what lines of a requirements.txt name, and nothing else: each has a hash. Raises likewise."""
    (steps.folder / WANTED).write_text(requirements, encoding="utf-8")
    install(steps, *options, "--no-deps", "--require-hashes", "-r", WANTED)
