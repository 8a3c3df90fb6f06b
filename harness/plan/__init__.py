"""What a run will do, fixed before its first trial: arms, workloads, limits, order."""
