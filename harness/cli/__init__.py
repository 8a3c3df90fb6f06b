"""The tasks of the command line that need nothing but the harness, by what they are about.

tasks.py collects them for invoke.  Those that show a run's evidence stand there: only it may know
both harness and reports.
"""
