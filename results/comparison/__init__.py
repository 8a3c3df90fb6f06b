"""What changed between two runs, or between two arms: for ``invoke compare``.

``family`` controls how often differences are found where there are none, ``changes`` compares,
``differences`` tells what else differs between the runs.
"""
