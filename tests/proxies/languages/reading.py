"""A config of some language, written down and made fit: what its tests share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.launchers.base import Installed
from harness.model import Deployment, Edit, Endpoint
from harness.proxies.languages import LANGUAGES
from harness.proxies.languages.base import Fitted, Standing
from harness.proxies.mitigated import Mitigated, mitigated

NOBODY = Endpoint(1)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files, and return the first of them, which is the config."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, newline="")
    return folder / next(iter(files))


def standing(said: Deployment | None = None, behind: Endpoint = NOBODY) -> Standing:
    """Return how a config stands in a chain, with no program at hand."""

    def installed() -> Installed:
        raise AssertionError("needs no program")

    return Standing(said or Deployment(), behind, installed)


def fit(
    language: str, folder: Path, files: Mapping[str, str], said: Deployment | None = None, behind: Endpoint = NOBODY
) -> Fitted:
    """Make a config fit."""
    return LANGUAGES[language](write(folder, files), standing(said, behind))


def mitigate(
    language: str, folder: Path, files: Mapping[str, str], *edits: Edit, said: Deployment | None = None
) -> Mitigated:
    """Apply edits to a config."""
    config, stands = write(folder, files), standing(said)
    return mitigated(lambda texts: LANGUAGES[language](config, replace(stands, texts=texts)), edits)


def after(language: str, folder: Path, text: str, *edits: Edit, path: str = "") -> str:
    """Return what the one file of a config says with edits applied."""
    found = mitigate(language, folder, {"my.conf": text}, *edits, said=Deployment(path=path)).after
    assert found.keys() <= {folder / "my.conf"}
    return found.get(folder / "my.conf", text)


def changes(fitted: Fitted) -> list[str]:
    """Return each line of the user's that is changed, and what it is then: `old => new`, without indentation."""
    found = []
    for source, text in fitted.texts.items():
        if source not in fitted.ours:
            before, after = source.text.split("\n"), text.split("\n")
            assert len(before) == len(after)
            found += [f"{old.strip()} => {new.strip()}" for old, new in zip(before, after, strict=True) if old != new]
    return found


def refused(language: str, folder: Path, files: Mapping[str, str], said: Deployment | None = None) -> list[str]:
    """Return what is told of a config that cannot be taken over, a line for each thing."""
    with pytest.raises(InputError) as told:
        fit(language, folder, files, said)
    return str(told.value).replace(f"{folder}/", "").splitlines()


def served(fitted: Fitted) -> str:
    """Return what answers, in short: `frontend www:443 > use_backend chat if is_api`; nothing if that is not known."""
    one = fitted.served_by
    return f"{one.server.text} > {one.location.text if one.location else ''}" if one else ""
