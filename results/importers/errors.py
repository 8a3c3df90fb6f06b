"""The one error of an import."""

from __future__ import annotations

from results.errors import StoreError


class ImportFault(StoreError):
    """Something in a file, or said of it, that no run can be made from.

    The message says where: ``file:line:column`` in a text, ``file: $.path`` in JSON.

    Attributes:
        exit_code: of the command line: something given does not fit.
    """

    exit_code = 2
