"""Prints the JSON Schema of the nouns: `python -m harness.store.schema > harness/store/schema/results.v1.json`."""

import json

from harness.reports.json import schema

print(json.dumps(schema(), indent=2))
