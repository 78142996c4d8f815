"""Where the checkout lies, and the real data that tests read."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("CORPUS_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
