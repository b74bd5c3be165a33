"""Options of an application's hop: every way to write the same is the same, and what is wrong is told."""

from __future__ import annotations

import itertools

import pytest

from harness.documents.hops import read as hop
from harness.errors import InputError
from harness.proxies.asgi_options import LOOPS, MACHINES, PARSERS, SERVERS, Serving, canonical, serving

EVERYTHING = ["starlette==0.45.3", "PAUSE_S=0", "uvloop", "gunicorn", "h11", "A_B1=x:y", "anyio==4.1.0"]


def canonically(*items: str) -> str:
    return str(canonical(hop(f"asgi:plain@{','.join(items)}")))


def served(*items: str) -> Serving:
    return serving(hop(f"asgi:plain@{','.join(items)}"))


def test_every_order_has_one_canonical_text() -> None:
    texts = {canonically(*order) for order in itertools.permutations(EVERYTHING)}
    assert texts == {"asgi:plain@gunicorn,h11,uvloop,A_B1=x:y,PAUSE_S=0,anyio==4.1.0,starlette==0.45.3"}


def test_the_canonical_hop_is_its_own() -> None:
    one = canonical(hop(f"asgi:plain@{','.join(EVERYTHING)}"))
    assert canonical(one) == one
    assert serving(one) == served(*EVERYTHING)


@pytest.mark.parametrize("usual", [SERVERS[0], LOOPS[0], f"{PARSERS[0]},{LOOPS[0]},{SERVERS[0]}"])
def test_what_is_so_anyway_is_left_out(usual: str) -> None:
    assert canonically(usual) == "asgi:plain"
    assert served(usual) == Serving()


def test_a_package_has_one_name_however_it_is_written() -> None:
    assert canonically("Sse_Starlette==3.0") == "asgi:plain@sse-starlette==3.0"
    assert served("uvloop", "uvloop==0.22.1") == Serving(loop="uvloop", pins={"uvloop": "0.22.1"})


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
