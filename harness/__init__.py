"""The trial engine: plan, schedule, trial, gates.  Loads no pandas: what measures stays lean."""
