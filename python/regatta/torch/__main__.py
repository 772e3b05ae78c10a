"""``python -m regatta.torch``: compile the adapter for the torch of this interpreter."""

import sys

from regatta.torch import build

try:
    print(build.adapter())
except build.BuildError as error:
    sys.exit(f"regatta.torch: {error}")
