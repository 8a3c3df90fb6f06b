"""The one root filesystem that every arm runs: from packages to a cached tree."""
