"""Every profile of ``ns``: variations of ``default``, depths, the steps of the waterfall."""
