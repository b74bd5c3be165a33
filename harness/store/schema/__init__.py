"""The published JSON Schema of results, a file per version. `python -m harness.store.schema` prints the current one."""
