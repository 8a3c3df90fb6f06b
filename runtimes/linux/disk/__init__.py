"""A limit of what a box may write: to its own layer, and to its volume.

Two ways keep it (``keeper.choose``): a project quota of the file system that the layer is on, or,
where that has none, a file system of the given size in a file of its own, on a loop device.
"""

from runtimes.linux.disk.image import KIND as DISK_KIND
from runtimes.linux.disk.keeper import Keeper, choose, has_quotas, required
from runtimes.linux.disk.space import NO_LIMIT, ReadOnly, Space, Spaces, Unlimited

__all__ = [
    "DISK_KIND",
    "NO_LIMIT",
    "Keeper",
    "ReadOnly",
    "Space",
    "Spaces",
    "Unlimited",
    "choose",
    "has_quotas",
    "required",
]
