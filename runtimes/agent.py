"""The channel to the agent: the small static program that is the main process of every box.

The same agent, from the same root filesystem, runs in every arm, so a command is started,
timed and reported in the same way on the host, in a container and in a guest.  It speaks
frames over whatever byte stream the runtime has: a pipe, a Docker attach socket, a
virtio-serial port.  Everything that arrives is hostile: lengths are bounded, totals are
bounded, every wait has a limit.

Frame::

    type (1 byte) | job (u32, big endian) | length (u32, big endian, at most 65,536) | payload

Host → agent:
    ``R`` run           payload: ``timeout_ms\\0nenv\\0NAME=VALUE\\0…argv0\\0argv1\\0…``
    ``K`` kill          payload: signal number in decimal
    ``F`` facts         empty
    ``D`` digest        payload: absolute path
    ``Q`` quit          empty: every job is killed, then the agent exits 0
Agent → host (``job`` echoes the request's):
    ``h`` hello         protocol version in decimal; the first bytes ever written
    ``p`` started       pid inside the box in decimal
    ``o`` / ``e``       a piece of the job's standard output / error
    ``x`` exited        ``KEY=VALUE\\n`` lines: ``status`` (0-255 or -signal), ``timed_out`` 0|1,
                        ``wall_ns user_ns sys_ns max_rss_bytes``: durations of the job in the box
    ``f`` facts         ``KEY=VALUE\\n`` lines
    ``d`` digest        sha256 in hexadecimal
    ``!`` error         one sentence: the request failed
"""

PROTOCOL_VERSION = 1
