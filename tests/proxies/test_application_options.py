"""Options of an application's hop: every way to write the same is the same, and what is wrong is told."""

from __future__ import annotations

import itertools

import pytest

from harness.documents.hops import read as hop
from harness.errors import InputError
from harness.proxies.application_options import ASGI, MACHINES, WSGI, Interface, Serving, canonical, serving

EVERYTHING = ["starlette==0.45.3", "PAUSE_S=0", "uvloop", "gunicorn", "h11", "A_B1=x:y", "anyio==4.1.0"]


def canonically(*items: str) -> str:
    return str(canonical(hop(f"asgi:plain@{','.join(items)}"), ASGI))


def served(*items: str, interface: Interface = ASGI) -> Serving:
    return serving(hop(f"{interface.name}:plain@{','.join(items)}"), interface)


def test_every_order_has_one_canonical_text() -> None:
    texts = {canonically(*order) for order in itertools.permutations(EVERYTHING)}
    assert texts == {"asgi:plain@gunicorn,h11,uvloop,A_B1=x:y,PAUSE_S=0,anyio==4.1.0,starlette==0.45.3"}


def test_the_canonical_hop_is_its_own() -> None:
    one = canonical(hop(f"asgi:plain@{','.join(EVERYTHING)}"), ASGI)
    assert canonical(one, ASGI) == one
    assert serving(one, ASGI) == served(*EVERYTHING)


@pytest.mark.parametrize("interface", [ASGI, WSGI], ids=lambda one: one.name)
def test_what_is_so_anyway_is_left_out(interface: Interface) -> None:
    usual = [names[0] for names in interface.choices.values()]
    for items in (*([one] for one in usual), usual[::-1]):
        assert served(*items, interface=interface) == Serving(interface)
    assert [Serving(interface).of(what) for what in interface.choices] == usual


def test_a_package_has_one_name_however_it_is_written() -> None:
    assert canonically("Sse_Starlette==3.0") == "asgi:plain@sse-starlette==3.0"
    assert served("uvloop", "uvloop==0.22.1") == Serving(ASGI, {"loop": "uvloop"}, pins={"uvloop": "0.22.1"})


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        ("trio", "'trio' is no option; an option is a server (uvicorn, hypercorn, gunicorn), a loop (asyncio, uvloop)"),
        ("3.12", "an application takes no version 3.12; an option is a server"),
        ("docker:3.12-slim", "'docker:3.12-slim' is no option"),
        ("uvloop,asyncio", "there can only be one loop, not asyncio and uvloop"),
        ("gunicorn,hypercorn", "there can only be one server, not gunicorn and hypercorn"),
        ("h11,httptools", "there can only be one HTTP parser, not h11 and httptools"),
        ("hypercorn,h11", "hypercorn has one HTTP parser only"),
        ("a-b==1,A_B==2", "a-b is given twice"),
        ("MODEL_URL=x", "MODEL_URL is what the harness tells the app"),
        *((f"{name}=x", f"{name} is what the app's environment runs on") for name in MACHINES),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(items: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        served(items)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        (
            "uvloop",
            "'uvloop' is no option; an option is a server (gunicorn, hypercorn), a worker (sync, gthread), a set",
        ),
        ("sync,gthread", "there can only be one worker, not gthread and sync"),
        ("hypercorn,gthread", "hypercorn has one worker only"),
    ],
)
def test_each_interface_has_options_of_its_own(items: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        served(items, interface=WSGI)
    assert complaint in str(refused.value)
