"""Every profile of ``ns`` by name: variations of ``default`` and the steps of the waterfall."""

from __future__ import annotations

from collections.abc import Mapping

from runtimes.namespaces.depths import DEPTHS
from runtimes.namespaces.profiles import PROFILES, Profile
from runtimes.namespaces.waterfall import WATERFALL

CATALOGUE: Mapping[str, Profile] = {
    **PROFILES,
    **DEPTHS,
    **{step.name: step.profile for step in WATERFALL},
}
