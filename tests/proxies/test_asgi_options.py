"""Options of an application's hop: every way to write the same is the same, and what is wrong is told."""

from __future__ import annotations

import itertools

import pytest

from harness.errors import InputError
from harness.proxies.asgi_options import LOOPS, MACHINES, PARSERS, SERVERS, Options, parse

EVERYTHING = ["starlette==0.45.3", "PAUSE_S=0", "uvloop", "gunicorn", "h11", "A_B1=x:y", "anyio==4.1.0"]


def test_every_order_has_one_canonical_text() -> None:
    texts = {str(parse(",".join(order))) for order in itertools.permutations(EVERYTHING)}
    assert texts == {"gunicorn,uvloop,h11,A_B1=x:y,PAUSE_S=0,anyio==4.1.0,starlette==0.45.3"}


def test_the_canonical_text_is_its_own() -> None:
    text = str(parse(",".join(EVERYTHING)))
    assert str(parse(text)) == text


@pytest.mark.parametrize("usual", [SERVERS[0], LOOPS[0], f"{PARSERS[0]},{LOOPS[0]},{SERVERS[0]}"])
def test_what_is_so_anyway_is_left_out(usual: str) -> None:
    assert str(parse(usual)) == ""
    assert parse(usual) == Options()


def test_a_package_has_one_name_however_it_is_written() -> None:
    assert str(parse("Sse_Starlette==3.0")) == "sse-starlette==3.0"
    assert parse("uvloop,uvloop==0.22.1") == Options(loop="uvloop", pins={"uvloop": "0.22.1"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "an option is empty"),
        ("uvloop,", "an option is empty"),
        ("trio", "'trio' is no option; an option is a server (uvicorn, hypercorn, gunicorn), a loop (asyncio, uvloop)"),
        ("pause_s=1", "its name in capitals"),
        ("A=b/c", "the value of A may only have letters, digits and ._:+-"),
        ("A=b>c", "the value of A may only have letters, digits and ._:+-"),
        ("starlette>=0.45", "or a version as starlette==0.45.3"),
        ("starlette==", "is no option"),
        ("uvloop,asyncio", "there can only be one loop, not uvloop and asyncio"),
        ("gunicorn,hypercorn", "there can only be one server, not gunicorn and hypercorn"),
        ("h11,httptools", "there can only be one HTTP parser, not h11 and httptools"),
        ("hypercorn,h11", "hypercorn has one HTTP parser only"),
        ("A=1,A=2", "A is given twice"),
        ("a-b==1,A_B==2", "a-b is given twice"),
        ("MODEL_URL=x", "MODEL_URL is what the harness tells the app"),
        ("MODEL_URL=http://x", "MODEL_URL is what the harness tells the app"),
        *((f"{name}=/x", f"{name} is what the app's environment runs on") for name in MACHINES),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(text)
    assert complaint in str(refused.value)
