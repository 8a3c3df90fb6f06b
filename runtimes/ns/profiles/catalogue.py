"""Every profile of ``ns`` by name: variations of ``default`` and the steps of the waterfall."""

from __future__ import annotations

from collections.abc import Mapping

from runtimes.ns.profile import PROFILES, Profile
from runtimes.ns.profiles.depths import DEPTHS
from runtimes.ns.profiles.waterfall import WATERFALL

CATALOGUE: Mapping[str, Profile] = {
    **PROFILES,
    **DEPTHS,
    **{step.name: step.profile for step in WATERFALL},
}
