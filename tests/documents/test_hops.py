"""Hops as text: what is written is read back, in whatever order, and what is no item is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.documents import hops
from harness.errors import InputError
from harness.model import Hop, Option, in_order, program_name

EVERY_KIND = "asgi:plain@2.1,wheel:3.0,gunicorn,uvloop,A_B1=x:y,PAUSE_S=,anyio==4.1.0,starlette==0.45.3"


def from_form(form: str) -> st.SearchStrategy[str]:
    return st.from_regex(form, fullmatch=True)


words = from_form(r"[A-Za-z][A-Za-z0-9_-]{0,9}").map(lambda name: Option("word", name))
settings = st.builds(Option, st.just("setting"), from_form(r"[A-Z][A-Z0-9_]{0,9}"), from_form(r"[A-Za-z0-9._:+-]{0,9}"))
pins = st.builds(
    Option, st.just("pin"), from_form(r"[A-Za-z0-9][a-z.-]{0,8}[a-z0-9]"), from_form(r"[0-9][A-Za-z0-9.!+]{0,9}")
)
sources = st.builds(
    Option, st.just("source"), st.sampled_from(hops.SOURCES), from_form(r"[A-Za-z0-9][A-Za-z0-9._:+~-]{0,9}")
)
options = st.lists(words | settings | pins | sources, unique_by=lambda option: option.decides, max_size=8)
asked = st.builds(
    Hop,
    from_form(r"[a-z]{1,9}"),
    from_form(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}"),
    st.just("") | from_form(r"[0-9]([A-Za-z0-9._+~-]{0,8}[A-Za-z0-9])?"),
    options.map(in_order),
)


@given(hop=asked)
def test_what_is_written_is_read_back(hop: Hop) -> None:
    assert hops.read(str(hop)) == hop


@given(hop=asked, data=st.data())
def test_the_order_of_items_does_not_count(hop: Hop, data: st.DataObject) -> None:
    items = [*filter(None, [hop.version]), *map(str, hop.options)]
    shuffled = ",".join(data.draw(st.permutations(items)))
    again = hops.read(f"{hop.bare}@{shuffled}" if items else str(hop))
    assert (again, str(again)) == (hop, str(hop))


@given(hop=asked)
def test_no_item_can_be_taken_for_part_of_a_path_or_of_a_chain(hop: Hop) -> None:
    _, _, items = str(hop).partition("@")
    assert not set("/@> ") & set(items)


def test_ids_have_the_kinds_in_one_order() -> None:
    _, _, items = EVERY_KIND.partition("@")
    hop = hops.read(f"asgi:plain@{','.join(reversed(items.split(',')))}")
    assert str(hop) == EVERY_KIND
    assert hop.version == "2.1"
    assert hop.options[0] == Option("source", "wheel", "3.0")


def test_a_hop_without_items_is_bare() -> None:
    assert hops.read("nginx:default") == Hop("nginx", "default") == hops.read("nginx:default@1.31").bare


@pytest.mark.parametrize(
    ("hop", "program"),
    [
        ("nginx:gzip", "nginx"),
        ("nginx:gzip@1.31.3", "nginx@1.31.3"),
        ("asgi:plain@uvloop,PAUSE_S=0", "asgi@uvloop"),
        ("asgi:plain@PAUSE_S=0", "asgi"),
        ("asgi:plain@docker:3.1,starlette==0.45.3", "asgi@docker:3.1,starlette==0.45.3"),
    ],
)
def test_settings_make_no_other_program_and_nothing_another_name(hop: str, program: str) -> None:
    assert hops.read(hop).program == program
    assert program_name(program) == hops.read(hop).proxy


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("1.31.3", "version"),
        ("1", "version"),
        ("3to2==1.1", "pin"),  # its package begins with a digit
        ("A==1", "pin"),
        ("A=1.2", "setting"),
        ("docker:1.31-alpine", "source"),
        ("apt:1:2.3-0ubuntu4+b1~deb12", "source"),
        ("docker", "word"),
    ],
)
def test_an_item_is_known_by_its_form(item: str, kind: str) -> None:
    hop = hops.read(f"nginx:default@{item}")
    assert [*filter(None, [hop.version and "version"]), *(option.kind for option in hop.options)] == [kind]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nginx:default@", "an option is empty; a version begins with a digit, as 1.31.3; a word is"),
        ("nginx:default@1.31,", "an option is empty"),
        ("nginx:default@,1.31", "an option is empty"),
        ("nginx:default@1.31, uvloop", "' uvloop' is no option"),
        ("nginx:default@1.31@1.29", "'1.31@1.29' has a / or an @, which no option has"),
        ("nginx:default@a/b", "'a/b' has a / or an @, which no option has"),
        ("nginx:default@A=b/c", "the value of A may only have letters, digits and ._:+-"),
        ("nginx:default@pause_s=1", "its name in capitals"),
        ("nginx:default@starlette>=0.45", "a pin is as starlette==0.45.3"),
        ("nginx:default@starlette==", "'starlette==' is no option"),
        ("nginx:default@brew:1.2", "a source is docker:..., system:..., wheel:..., npm:..., apt:..."),
        ("nginx:default@1.31,1.29", "there can only be one version, not 1.31 and 1.29"),
        ("nginx:default@docker:1,apt:2", "there can only be one source, not docker:1 and apt:2"),
        ("nginx:default@uvloop,uvloop", "uvloop is given twice"),
        ("nginx:default@A=1,A=2", "A is given twice"),
        ("nginx:default@a==1,a==2", "a is given twice"),
        ("nginx:default@١.٢", "is no option"),  # digits, but not those of a version
        ("nginx", "'nginx' is no hop"),
        (":default", "is no hop"),
        ("nginx:@1.31", "is no hop"),
        ("nginx:a>nginx:b", "is no hop"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        hops.read(text)
    assert complaint in str(refused.value)
