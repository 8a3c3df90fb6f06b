"""Applications as people run them: a store, a database server, a database in a file, a compressor.

nginx is one as well: it stands under network, as ``network.http``.  One module for each; they
share how often a trial repeats its command (``repeats``).
"""

from __future__ import annotations

from workloads.application.compression import COMPRESSION
from workloads.application.postgresql import POSTGRESQL
from workloads.application.redis import REDIS, REDIS_MANY, REDIS_ONE
from workloads.application.sqlite import SQLITE

__all__ = ["COMPRESSION", "POSTGRESQL", "REDIS", "REDIS_MANY", "REDIS_ONE", "SQLITE"]
