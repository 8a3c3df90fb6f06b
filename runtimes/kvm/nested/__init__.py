"""A container in a VM: what a guest is given so that its box is an inner one.

The guest's own init (runtimes/images/guest) makes the box at boot and hands it the agent's port, so
the agent that the harness talks to is the innermost box's main process; nothing of ours but init
stays in the guest around it.
"""
