"""The languages in which a config is read as it is deployed, by the program that speaks each; nginx' is beside."""

from __future__ import annotations

from collections.abc import Mapping

from harness.proxies.languages import apache, caddy, envoy, haproxy, traefik
from harness.proxies.languages.base import Language

LANGUAGES: Mapping[str, Language] = {
    "apache": apache.fitted,
    "caddy": caddy.fitted,
    "envoy": envoy.fitted,
    "haproxy": haproxy.fitted,
    "traefik": traefik.fitted,
}
