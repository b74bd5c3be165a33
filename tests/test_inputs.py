"""When what a hop is configured by is the same, wherever each machine has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.session.inputs import are_same

FILES = st.dictionaries(
    st.sampled_from(["nginx.conf", "a.conf", "b.conf", "sites/a.conf", "sites/b.conf", "more/sites/a.conf"]),
    st.sampled_from("123"),
    min_size=2,
)
SYSTEM = {"/etc/nginx/mime.types": "0", "/etc/nginx/a.conf": "1"}
ROOTS = st.sampled_from(["", "deploy", "/home/one/deploy", "/srv/two"])


def lying_in(root: str, files: Mapping[str, str]) -> dict[str, str]:
    return {str(PurePath(root, name)): blob for name, blob in files.items()}


@given(FILES, ROOTS, ROOTS, st.sampled_from([{}, SYSTEM]))
def test_a_project_in_another_folder_is_the_same(
    files: dict[str, str], here: str, there: str, system: dict[str, str]
) -> None:
    assert are_same(lying_in(here, files) | system, lying_in(there, files) | system)


@given(FILES, FILES, ROOTS, ROOTS)
def test_one_in_which_a_file_says_what_another_said_is_not(
    files: dict[str, str], others: dict[str, str], here: str, there: str
) -> None:
    others = {name: others.get(name, blob) for name, blob in files.items()}
    assert are_same(lying_in(here, files), lying_in(there, others)) == (files == others)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a.conf": "1", "b.conf": "2"}, {"a.conf": "2", "b.conf": "1"}, False),
        ({"/one/a.conf": "1", "/one/b.conf": "2"}, {"/two/a.conf": "2", "/two/b.conf": "1"}, False),
        ({"n.conf": "1", "a.conf": "2"}, {"n.conf": "1", "b.conf": "2"}, False),
        ({"n.conf": "1"}, {"n.conf": "1", "a.conf": "2"}, False),
        ({"m.yaml": "1"}, {"copied/n.yaml": "1"}, True),
        ({"n.conf": "1", "/one/common/a.conf": "2"}, {"gateways/n.conf": "1", "common/a.conf": "2"}, True),
        ({"n.conf": "1", "/one/common/a.conf": "2"}, {"gateways/n.conf": "2", "common/a.conf": "1"}, False),
    ],
)
def test_files_go_by_their_names_in_a_folder_of_any_name(
    one: dict[str, str], other: dict[str, str], same: bool
) -> None:
    assert (are_same(one, other), are_same(other, one)) == (same, same)
