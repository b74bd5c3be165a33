"""Prints the JSON Schema that the nouns call for: `python -m harness.schema > harness/schema/results.v1.json`."""

import json

from harness.reports.json import schema

print(json.dumps(schema(), indent=2))
