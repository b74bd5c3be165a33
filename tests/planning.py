"""Plans cells with the shipped request profiles."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import Complaint
from harness.matrix import mitigations
from harness.model import Cell, Mitigation, Plan
from harness.session.shipped import requests

REQUESTS = requests()


def plan(cell: Cell, catalogue: Mapping[str, Mitigation]) -> Plan:
    """Return the cell with its mitigations applied. Raises InputError likewise."""
    return mitigations.plan(cell, catalogue, REQUESTS)


def objections(cell: Cell, catalogue: Mapping[str, Mitigation]) -> list[Complaint]:
    """Return what speaks against planning the cell."""
    return mitigations.objections(cell, catalogue, REQUESTS)
