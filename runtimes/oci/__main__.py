"""``python -m runtimes.oci …``: the OCI runtime command line of ``ns``; ``--help`` lists it."""

import sys

from runtimes.oci.command.main import main

if __name__ == "__main__":
    sys.exit(main())
