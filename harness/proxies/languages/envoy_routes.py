"""Which route of an Envoy listener takes a request, by Envoy's rules. Pure.

Rules (envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto): of virtual hosts the one with the
exact domain, else the longest `*suffix`, else the longest `prefix*`, else `*`; of its routes the first that matches. A
regular expression has to match the whole path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.proxies.languages.yaml_nodes import Value

_KNOWN = ("prefix", "path", "pathseparatedprefix", "saferegex", "casesensitive", "name")


@dataclass(frozen=True)
class Hosts:
    """The virtual hosts of a listener, in their order."""

    hosts: Sequence[Value]

    def of(self, host: str) -> Value | None:
        """Return the one that requests for a host are for."""
        ranked = [
            (rank, -order, one)
            for order, one in enumerate(self.hosts)
            for domain in domains(one)
            if (rank := _rank(domain.lower(), host))
        ]
        return max(ranked, key=lambda one: one[:2])[2] if ranked else None

    def takes(self, virtual_host: Value, match: Value, host: str, path: str) -> bool | None:
        """Tell whether a route of a virtual host takes a request, if none before did; None if only requests tell."""
        return self.of(host) == virtual_host and matches(match, path)


def domains(virtual_host: Value) -> list[str]:
    """Return the domains of a virtual host without ports, which a host that is asked for here has none of."""
    said = virtual_host.get("domains")
    return [re.sub(r":(\d+|\*)$", "", one.said) for one in said.items] or ([said.said] if said.said else [])


def matches(match: Value, path: str) -> bool | None:
    """Tell whether a match takes a path; None if it looks at more than that."""
    found = _matches(match, path)
    looks_further = any(one.name.replace("_", "").lower() not in _KNOWN for one in match.entries)
    return None if found and looks_further else found


def _matches(match: Value, path: str) -> bool | None:
    fold = match.get("case_sensitive").said.lower() == "false"
    path = path.lower() if fold else path
    for key in ("prefix", "path", "path_separated_prefix"):
        if value := match.get(key):
            said = value.said.lower() if fold else value.said
            if key == "path":
                return path == said
            return path.startswith(said) if key == "prefix" else f"{path}/".startswith(f"{said}/")
    if pattern := match.get("safe_regex", "regex"):
        try:
            return re.fullmatch(pattern.said, path) is not None
        except re.error:
            return None
    return None


def paths(match: Value) -> list[str]:
    """Return the paths that a match surely takes."""
    said = (match.get(key).said for key in ("prefix", "path", "path_separated_prefix"))
    return [one for one in said if one]


def _rank(domain: str, host: str) -> tuple[int, int] | None:
    """Return how well a domain fits, the best is the greatest; None if it does not."""
    if domain == host:
        return 4, 0
    if domain == "*":
        return 1, 0
    if domain.startswith("*") and host.endswith(domain[1:]) and host != domain[1:]:
        return 3, len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]) and host != domain[:-1]:
        return 2, len(domain)
    return None
