"""How steady this host is, measured in ten seconds: ``invoke doctor --measure``.

``turns`` works and times, ``recording`` is what it finds, ``expected`` asks a child for the
smallest effect to expect, ``told`` says it all in rows.  What is a second speed, much steal or a
busy neighbour is said by ``results.gating``, as for the trials of a run.
"""
