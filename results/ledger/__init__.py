"""The claim ledger: what is claimed, by which rule it is judged, and what a run says of it.

Light to import: ``schema``, ``rules``, ``vocabulary`` and ``load`` need nothing but msgspec, so
that the measuring process may check a user's file before it begins.  ``judge`` and what stands
on it load pandas and the statistics.

Verdicts of one comparison (a candidate arm against a baseline arm in one metric) follow from the
interval whose ends each hold with 95 % certainty:

============== ===========================================================================
supported      the interval lies inside what the rule claims
refuted        it lies outside
inconclusive   it holds a limit of the rule, or is declined, or the A/A floor forbids more
not evaluable  there is nothing to judge: no such arm, not yet measured, emulated …
============== ===========================================================================

Each part of a claim has a verdict from its comparisons, and the claim from its parts, by its
``combine``:

``every`` (the default): supported where all are, refuted where all are, ``mixed`` where some are,
some not; inconclusive as long as what is open could make it mixed.  "Supported" needs no
correction for their number (an intersection-union test: Berger, 1982); where only some of them make
a verdict, it is said together with how many there were.
``any``: supported where one is supported; refuted where all are refuted.

What was not measured is named and counts neither way.  So it never makes a verdict; where it is a
part that the claim cannot do without (not ``optional``, not awaiting later work), what was measured
does not speak for the whole claim either, which stays inconclusive unless it is mixed already.
"""
