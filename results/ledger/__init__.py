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

A claim of several comparisons combines them by its ``combine``:

``every`` (the default): refuted where one is refuted; else supported where all are supported.
The second needs no correction for their number (an intersection-union test: Berger, 1982); the
first is said together with how many were made.
``any``: supported where one is supported; refuted where all are refuted.

Comparisons that no run can hold yet (``awaits``) are set aside and named; those that this run
lacks keep a claim from being settled in its favour.
"""
