"""The published JSON Schema of results, one file per version. `python -m harness.schema` prints the current one."""
