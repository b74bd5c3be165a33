"""A program's own words about its config: told once, and led back to the line that a person wrote."""

from __future__ import annotations

import re
from pathlib import Path

from harness.proxies.complaints import Complaints
from harness.proxies.nginx import COMPLAINTS

ORIGINS = {"/e/nginx.conf": Path("my.conf"), "/e/included/1-a.conf": Path("sites/a.conf")}
NGINX = Complaints(COMPLAINTS, ORIGINS)


def test_a_complaint_with_a_place_is_led_back_to_the_file_that_it_is_about() -> None:
    log = (
        '2026/01/01 00:00:00 [emerg] 7#7: unknown directive "x" in /e/nginx.conf:3\n'
        "nginx: [emerg] bad in /e/included/1-a.conf:1\n"
        'nginx: [emerg] open() "/x in /y" failed in /etc/mime.types:2\n'
    )
    assert NGINX.found(log) == (
        ['my.conf:3: unknown directive "x"', "sites/a.conf:1: bad", '/etc/mime.types:2: open() "/x in /y" failed'],
        [],
    )


def test_what_is_said_on_standard_error_and_in_the_log_is_told_once_and_the_rest_is_no_complaint() -> None:
    log = (
        'nginx: [emerg] no "events" section in configuration\n'
        '2026/01/01 00:00:00 [emerg] 7#7: no "events" section in configuration\n'
        "2026/01/01 00:00:00 [notice] 7#7: using the epoll event method\n"
    )
    assert NGINX.found(log) == ([], ['no "events" section in configuration'])


def test_another_program_names_the_place_first() -> None:
    haproxy = re.compile(r"\[ALERT\].* parsing \[(?P<file>.+):(?P<line>\d+)\] : (?P<words>.*)")
    log = "[ALERT] (7) : config : parsing [/e/haproxy.cfg:12] : unknown keyword 'x' in 'frontend' section\n"
    told = Complaints([haproxy], {"/e/haproxy.cfg": Path("my.cfg")}).found(log)
    assert told == (["my.cfg:12: unknown keyword 'x' in 'frontend' section"], [])


def test_who_knows_no_complaints_finds_none() -> None:
    assert Complaints().found("[emerg] bad in /e/nginx.conf:3\n") == ([], [])
