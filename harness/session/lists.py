"""What `harness list` can be asked for: the words alone, which its help shows without loading what they name."""

from typing import Literal

What = Literal["proxies", "profiles", "mitigations", "requests", "formats", "clients", "matrices", "cells", "schema"]
