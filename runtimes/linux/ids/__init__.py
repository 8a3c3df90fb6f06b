"""Whose ids: what this process may do, and which ids it may give to boxes.

::

    rights.py       root of the host, root of a user namespace, or a plain user
    subordinate.py  /etc/subuid and /etc/subgid, read as newuidmap reads them
    maps.py         id maps, and what a box's ids are outside
    obstacles.py    why this host refuses user namespaces, and the next step
    entering.py     a plain user becomes root of a user namespace of its own
"""
