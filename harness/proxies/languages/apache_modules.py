"""What an Apache site is put into: the modules that its directives need, and what a server says around it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.proxies.languages.apache_lines import Directive
from harness.proxies.source_text import Source

ROOT = "${INSTALLED}/usr/lib/apache2"
_ALWAYS = ("authn_core", "authz_core", "proxy", "proxy_http")
_NEEDS = {
    "headers": r"header|requestheader",
    "rewrite": r"rewrite\w+",
    "socache_shmcb": r"ssl\w+",
    "ssl": r"ssl\w+",
    "filter": r"filter\w+|addoutputfilterbytype",
    "deflate": r"deflate\w+",
    "brotli": r"brotli\w+",
    "http2": r"h2\w+",
    "alias": r"alias(match)?|redirect\w*|scriptalias\w*",
    "dir": r"directory(index|slash)|fallbackresource",
    "mime": r"add(type|encoding|charset|handler|language|outputfilter|inputfilter)|typesconfig|remove\w+",
    "setenvif": r"setenvif\w*|browsermatch\w*",
    "env": r"(set|unset|pass)env",
    "expires": r"expires\w+",
    "remoteip": r"remoteip\w+",
    "reqtimeout": r"requestreadtimeout",
    "substitute": r"substitute\w*",
    "sed": r"(input|output)sed",
    "buffer": r"buffersize",
    "ext_filter": r"extfilter\w+",
    "macro": r"macro|use",
    "status": r"extendedstatus",
    "access_compat": r"order|allow|deny|satisfy",
    "authz_host": r"require",
    "authz_user": r"require",
    "auth_basic": r"authbasic\w+|authtype",
    "authn_file": r"auth(user|group)file",
    "autoindex": r"index\w+",
    "slotmem_shm": r"balancermember|proxyset",
    "proxy_balancer": r"balancermember|proxyset",
    "lbmethod_byrequests": r"balancermember|proxyset",
    "lbmethod_bytraffic": r"balancermember|proxyset",
    "lbmethod_bybusyness": r"balancermember|proxyset",
}
"""Which modules have which directives (httpd.apache.org/docs/2.4/mod/directives.html)."""
_WORDS = {
    "deflate": r"\bDEFLATE\b",
    "brotli": r"BROTLI_COMPRESS",
    "substitute": r"\bSUBSTITUTE\b",
    "ratelimit": r"RATE_LIMIT",
    "buffer": r"\bBUFFER\b",
    "proxy_wstunnel": r"\bwss?://",
    "http2": r"\bProtocols\b.*\bh2c?\b",
}
"""Which are named by what directives of others say."""


def before(top: Directive, source: Source, scheme: str) -> Iterator[str]:
    """Yield what is said before a config: what it is put into."""
    if not top.loads("loadmodule"):
        names = {one.name for one in top.every()}
        needed = [name for name, own in _NEEDS.items() if any(re.fullmatch(own, each) for each in names)]
        named = [name for name, own in _WORDS.items() if re.search(own, source.text)]
        for module in dict.fromkeys(("mpm_event", *_ALWAYS, *needed, *named, *(["ssl"] * (scheme == "https")))):
            yield f"LoadModule {module}_module modules/mod_{module}.so"
    yield from ("ServerName 127.0.0.1", "Listen ${LISTEN}", 'User "#65534"', 'Group "#65534"', "ErrorLog /dev/stderr")
    yield from ('PidFile "${FOLDER}/httpd.pid"', 'DefaultRuntimeDir "${FOLDER}"')
    if scheme == "https":
        yield from ("SSLProxyEngine on", "SSLProxyCheckPeerName off", "SSLProxyCheckPeerCN off")
