"""What a run keeps of its matrix file: the text, without the secrets of headers in it, and without queries. Pure.

Rule: a value is a secret by where it stands, under the name of such a header, however it is spelled, and whether a
cell uses it or not; of other headers' values, who a URL logs in and its query are; what looks like it elsewhere stays.
What an alias stands for is hidden at its anchor.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import yaml

from harness.documents.yaml_text import spans
from harness.model import HIDDEN, RunInfo, is_secret, masked_mitigation, shown_urls, without_query

HEADERS = {"mitigations": ("request_headers", "response_headers"), "requests": ("headers",), "proxies": ("env",)}
"""Under which keys of a matrix file's entries headers stand, or an environment, by section."""

Steps = tuple[Callable[[str], bool], ...]
PATHS: Steps = ("variants".__eq__, lambda proxy: True, lambda name: True, "path".__eq__)
"""Where it says what a config is asked for."""


def masked_run(run: RunInfo) -> RunInfo:
    """Return the head of a run without the secrets of its matrix file. Raises InputError if that is no YAML."""
    mitigations = {name: masked_mitigation(one) for name, one in run.mitigations.items()}
    return replace(run, matrix_text=_masked(run.matrix_text, run.matrix_file), mitigations=mitigations)


def _masked(text: str, file: str) -> str:
    if not text:
        return text  # a single cell has no file
    hidden, told = (
        [
            place
            for section, keys in HEADERS.items()
            for place in spans(text, file, section.__eq__, lambda name: True, keys.__contains__, taken)
        ]
        for taken in (is_secret, lambda name: not is_secret(name))
    )
    queries = [(start, end) for start, end in spans(text, file, *PATHS) if "?" in text[start:end]]
    for start, end in sorted({*hidden, *told, *queries}, reverse=True):
        spelled = text[start:end]
        if (start, end) not in (*hidden, *queries):
            text = f"{text[:start]}{_shown(spelled)}{text[end:]}"
            continue
        if (start, end) in queries:
            path = spelled.rstrip().rstrip("\"'")
            text = f"{text[:start]}{without_query(path)}{spelled[len(path) :]}{text[end:]}"
            continue
        quote = spelled[0] if spelled[0] in "\"'" else ""
        text = f"{text[:start]}{quote}{HIDDEN}{quote}{spelled[len(spelled.rstrip()) :]}{text[end:]}"
    return text


def _shown(spelled: str) -> str:
    """Return a value as a file spells it, without what its URLs say; a block is read first, as a query may begin it."""
    if spelled[:1] not in ("|", ">"):
        return shown_urls(spelled)
    said = str(yaml.safe_load(f"_: {spelled}")["_"])
    return spelled if said == shown_urls(said) else json.dumps(shown_urls(said)) + spelled[len(spelled.rstrip()) :]
