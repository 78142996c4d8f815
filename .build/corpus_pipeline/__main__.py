"""`python -m corpus_pipeline`: the command `corpus-pipeline`."""

import sys

from corpus_pipeline._internal.pipeline.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
