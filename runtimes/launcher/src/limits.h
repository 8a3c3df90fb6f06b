/* What a plan may hold.  limits.py says the same, checks it before a plan is sent, and names what is
 * too much; a test holds the two against each other. */
#ifndef TAREBENCH_LIMITS_H
#define TAREBENCH_LIMITS_H

enum {
    MESSAGE_BYTES = 4 << 20, /* a request whole: names of descriptors, and the plan */
    MAX_STEPS = 4096,
    MAX_NUMBERS = 8,     /* of one step */
    MAX_STRINGS = 65535, /* of one step: what the wire's u16 can count */
    MAX_PASSED = 64,     /* descriptors that come with a plan */
    MAX_HELD = 64,       /* mounts that the launcher holds for the child */
};

#endif
