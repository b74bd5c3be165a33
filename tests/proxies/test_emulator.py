"""The adapter, and what each profile does to a stream that goes through the real process."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path

import aiohttp
import pytest

from harness.errors import InputError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.emulator import CLOUD_RUN, read_profile
from harness.proxies.hold import GZIP_WBITS
from tests.proxies.gated import END, HEAD, PROFILES, SSE, Backend, Emulators, reading

pytestmark = [pytest.mark.proxies, pytest.mark.asyncio(loop_scope="module")]

# ---------------------------------------------------------------- profiles


async def test_streaming_passes_every_token_while_the_backend_is_silent(backend: Backend, emulators: Emulators) -> None:
    response = await emulators.get("streaming")
    for number in range(50):
        token = b"data: %d\n\n" % number
        backend.send(token)
        assert await response.content.readany() == token
    backend.send(END)
    assert await response.content.readany() == b""


async def test_report_holds_until_4096_bytes_whatever_the_header_says(backend: Backend, emulators: Emulators) -> None:
    backend.answers({**SSE, "X-Accel-Buffering": "no"})
    response = await emulators.get("report")
    read = reading(response)
    backend.send(b"x" * 4095)
    await emulators.turns("report")
    assert not read.done()
    backend.send(b"y" * 11)
    assert await read == b"x" * 4095 + b"y"
    backend.send(END)
    assert await response.content.read() == b"y" * 10


async def test_a_timer_releases_what_nothing_follows(backend: Backend, emulators: Emulators) -> None:
    response = await emulators.get("idle-flush")
    for token in (b"one", b"two"):
        backend.send(token)
        assert await response.content.readany() == token
    backend.send(END)
    assert await response.content.read() == b""


async def test_store_and_forward_sends_all_at_the_end_and_tells_its_length(
    backend: Backend, emulators: Emulators
) -> None:
    asking = asyncio.create_task(emulators.get("store-and-forward"))
    backend.send(b"x" * 100_000)
    await emulators.turns("store-and-forward")
    assert not asking.done()
    backend.send(b"y", END)
    response = await asking
    assert response.headers["Content-Length"] == "100001"
    assert await response.read() == b"x" * 100_000 + b"y"


async def test_an_honoured_header_switches_holding_off(backend: Backend, emulators: Emulators) -> None:
    backend.answers({**SSE, "X-Accel-Buffering": "no"})
    response = await emulators.get("x-accel-honoured")
    backend.send(b"token")
    assert await response.content.readany() == b"token"
    backend.send(END)


async def test_the_content_type_decides_in_a_gated_hop(backend: Backend, emulators: Emulators) -> None:
    backend.answers({"Content-Type": "text/event-stream; charset=utf-8"})
    response = await emulators.get("content-type-gated")
    backend.send(b"token")
    assert await response.content.readany() == b"token"
    backend.send(END)
    await response.read()

    backend.answers({"Content-Type": "text/plain"})
    asking = asyncio.create_task(emulators.get("content-type-gated"))
    backend.send(b"token")
    await emulators.turns("content-type-gated")
    assert not asking.done()  # the head too
    backend.send(b"x" * 5000)
    response = await asking
    assert await response.content.readexactly(4096) == b"token" + b"x" * 4091
    backend.send(END)


async def test_the_method_decides_in_a_quick_tunnel(backend: Backend, emulators: Emulators) -> None:
    async with emulators.client.post(await emulators.url("quick-tunnel") + "/stream", data=b"ask") as response:
        backend.send(b"token")
        assert await response.content.readany() == b"token"
        backend.send(END)
        assert await response.content.read() == b""
    assert backend.body == b"ask"


async def test_gzip_without_flush_holds_and_decodes(backend: Backend, emulators: Emulators) -> None:
    response = await emulators.get("gzip-no-flush", headers={"Accept-Encoding": "gzip, br"})
    assert (response.headers["Content-Encoding"], response.headers["Vary"]) == ("gzip", "Accept-Encoding")
    decoder = zlib.decompressobj(GZIP_WBITS)
    token = b"data: token\n\n"
    backend.send(*[token] * 10)
    await emulators.turns("gzip-no-flush")
    assert decoder.decompress(await response.content.readany()) == b""  # no more than gzip's own head
    read = reading(response)
    backend.send(*[token] * 10)
    await emulators.turns("gzip-no-flush")
    assert not read.done()
    backend.send(END)
    assert decoder.decompress(await read + await response.content.read()) == token * 20
    assert decoder.eof


async def test_gzip_with_flush_passes_every_token_compressed(backend: Backend, emulators: Emulators) -> None:
    backend.answers({**SSE, "Content-Length": "21", "Content-Encoding": "identity"})
    response = await emulators.get("gzip-flush", headers={"Accept-Encoding": "gzip"})
    assert response.headers.getall("Content-Encoding") == ["gzip"]
    assert "Content-Length" not in response.headers
    decoder = zlib.decompressobj(GZIP_WBITS)
    for token in (b"token 1", b"token 2", b"token 3"):
        backend.send(token)
        assert decoder.decompress(await response.content.readany()) == token
    backend.send(END)


@pytest.mark.parametrize(
    ("request_headers", "response_headers"),
    [({"Accept-Encoding": "identity"}, {}), ({"Accept-Encoding": "gzip"}, {"Cache-Control": "no-transform"})],
)
async def test_gzip_is_left_out_where_a_side_refuses(
    backend: Backend,
    emulators: Emulators,
    request_headers: dict[str, str],
    response_headers: dict[str, str],
) -> None:
    backend.answers(SSE | response_headers)
    response = await emulators.get("gzip-no-flush", headers=request_headers)
    backend.send(b"token")
    assert await response.content.readany() == b"token"
    assert "Content-Encoding" not in response.headers
    backend.send(END)


# ---------------------------------------------------------------- the adapter


async def test_a_running_emulator_says_that_it_is_one_and_whose_claim_it_plays(
    emulators: Emulators, backend: Backend, tmp_path: Path
) -> None:
    config = PROFILES["report"]
    async with Launcher() as launcher:
        running = await CLOUD_RUN.start(config, Endpoint(backend.port), tmp_path, launcher)
        assert running.version == CLOUD_RUN.version()
        assert CLOUD_RUN.kind == "emulator"
        assert running.about
        assert running.about.startswith("field report 002: ")
        assert {path.name for path in tmp_path.iterdir()} == {"cloudrun.log", "cloudrun.yaml", "command.txt"}
        assert (tmp_path / "cloudrun.yaml").read_text() == config.read_text()
        assert "env SSL_CERT_FILE=/dev/null " in (tmp_path / "command.txt").read_text(), "it trusts nobody"
        await running.program.stop()
        assert running.program.returncode == 0
        assert running.program.log_tail() == ""
    assert CLOUD_RUN.describe(config).startswith("emulator playing: field report 002")


async def test_a_stop_in_mid_stream_breaks_off_and_ends_at_once(emulators: Emulators, backend: Backend) -> None:
    running = await emulators.start("streaming")
    response = await emulators.client.get(running.endpoint.url + "/stream")
    await running.program.stop()
    assert running.program.returncode == 0
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


@pytest.mark.parametrize("profile", sorted(PROFILES.values()), ids=lambda path: path.stem)
async def test_shipped_profiles_name_a_claimant_and_a_source(profile: Path) -> None:
    CLOUD_RUN.check(profile)
    read = read_profile(profile)
    assert ": " in read.claim
    assert "https://" in read.source


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD + "release_byte: 4096\n", "own.yaml:4: release_byte: unknown key; allowed: .*'release_bytes'"),
        (HEAD + "release_bytes: many\n", "own.yaml:4: release_bytes: must be"),
        (HEAD + "release_bytes: 0\n", "own.yaml:4: release_bytes: must be greater than 0"),
        (HEAD + "compression: zip\n", "compression: 'zip' is not allowed; allowed: none, gzip, gzip-flush"),
        (HEAD + "store_and_forward: true\npassing_methods: [PUT]\n", "passing_methods.*allowed: GET, POST"),
        (HEAD + "idle_ms: 5\n", "own.yaml:.*idle_ms needs a buffer: set release_bytes or store_and_forward"),
        ("about: A test.\nclaim: nobody's\n", "source: this key is required"),
        ("just text", "own.yaml:1: must be keys and values"),
    ],
)
async def test_a_wrong_profile_is_an_input_error_that_says_where(text: str, complaint: str, tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(text)
    with pytest.raises(InputError, match=complaint):
        CLOUD_RUN.check(config)


async def test_a_profile_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        CLOUD_RUN.check(tmp_path / "own.yaml")
