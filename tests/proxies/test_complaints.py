"""A program's own words about its config: told once, and led back to the line that a person wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from harness.errors import Complaint
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.languages.secrets import masked_blocks
from harness.proxies.program_file import FILE, read_program
from harness.resources import configs

ORIGINS = {"/e/nginx.conf": Path("my.conf"), "/e/included/1-a.conf": Path("sites/a.conf")}
NGINX = ComplaintPatterns.of(read_program(configs() / "nginx" / FILE).complaints, ORIGINS)


def test_a_complaint_with_a_place_is_led_back_to_the_file_that_it_is_about() -> None:
    log = (
        '2026/01/01 00:00:00 [emerg] 7#7: unknown directive "x" in /e/nginx.conf:3\n'
        "nginx: [emerg] bad in /e/included/1-a.conf:1\n"
        'nginx: [emerg] open() "/x in /y" failed in /etc/mime.types:2\n'
    )
    assert NGINX.found(log) == [
        Complaint('unknown directive "x"', file="my.conf", line=3),
        Complaint("bad", file="sites/a.conf", line=1),
        Complaint('open() "/x in /y" failed', file="/etc/mime.types", line=2),
    ]


def test_what_is_said_on_standard_error_and_in_the_log_is_told_once_and_the_rest_is_no_complaint() -> None:
    log = (
        'nginx: [emerg] no "events" section in configuration\n'
        '2026/01/01 00:00:00 [emerg] 7#7: no "events" section in configuration\n'
        "2026/01/01 00:00:00 [notice] 7#7: using the epoll event method\n"
    )
    assert NGINX.found(log) == [Complaint('no "events" section in configuration')]


def test_complaints_with_a_place_are_told_without_the_others_that_come_of_them() -> None:
    log = "nginx: [emerg] cannot go on\nnginx: [emerg] bad in /e/nginx.conf:3\n"
    assert NGINX.found(log) == [Complaint("bad", file="my.conf", line=3)]


def test_another_program_names_the_place_first() -> None:
    haproxy = re.compile(r"\[ALERT\].* parsing \[(?P<file>.+):(?P<line>\d+)\] : (?P<words>.*)")
    log = "[ALERT] (7) : config : parsing [/e/haproxy.cfg:12] : unknown keyword 'x' in 'frontend' section\n"
    told = ComplaintPatterns([haproxy], {"/e/haproxy.cfg": Path("my.cfg")}).found(log)
    assert told == [Complaint("unknown keyword 'x' in 'frontend' section", file="my.cfg", line=12)]


def test_words_may_follow_on_the_line_after_the_place() -> None:
    apache = re.compile(r"Syntax error on line (?P<line>\d+) of (?P<file>/[^:\n]+):\s+(?P<words>.*)")
    log = "AH00526: Syntax error on line 9 of /e/a.conf:\nInvalid command 'Lisen'\nAH00526: and so on\n"
    told = ComplaintPatterns([apache], {"/e/a.conf": Path("my.conf")}).found(log)
    assert told == [Complaint("Invalid command 'Lisen'", file="my.conf", line=9)]


def test_a_file_that_it_was_given_in_its_own_folder_is_known_again() -> None:
    node = re.compile(r"^file://(?P<file>/[^:\n]+):(?P<line>\d+)\n(?:.*\n)*?(?P<words>\w*Error.*)", re.MULTILINE)
    log = (
        "file:///t/1/my.mjs:2\nmissing()\n^\n\nReferenceError: missing is not defined\n    at file:///t/1/my.mjs:2:1\n"
    )
    given = ComplaintPatterns([node], {"${FOLDER}/my.mjs": Path("my.mjs")})
    assert given.filled_in({"FOLDER": "/t/1"}).found(log) == [
        Complaint("ReferenceError: missing is not defined", file="my.mjs", line=2)
    ]


def test_what_we_wrote_is_told_as_what_stood_there_and_a_secret_not_at_all() -> None:
    was = "http {\nlisten 80; proxy_set_header Authorization opensesame;\n}\n"
    now = was.replace("80", "${LISTEN}")
    given = replace(NGINX, given={"/e/nginx.conf": (was, now)}, masked=masked_blocks)
    log = "nginx: [emerg] listen 127.0.0.1:4321 and opensesame in /e/nginx.conf:2\n"
    assert given.filled_in({"LISTEN": "127.0.0.1:4321"}).found(log) == [
        Complaint("listen 80 and (redacted)", file="my.conf", line=2)
    ]


def test_who_knows_no_complaints_finds_none() -> None:
    assert ComplaintPatterns().found("[emerg] bad in /e/nginx.conf:3\n") == []
