"""``python -m runtimes.standalone.oci …``: the OCI command line of ``ns``; ``--help`` lists it."""

import sys

from runtimes.standalone.oci.command.main import main

if __name__ == "__main__":
    sys.exit(main())
