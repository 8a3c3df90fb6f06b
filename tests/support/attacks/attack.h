/* Known ways out of a container, each as a function that says how far it came.
 *
 * 0 means that it worked; a negative errno is the kernel's reason why not.  None does harm where it
 * works: what would be destructive is asked for with arguments that are refused after the check of
 * rights (so EINVAL, ENOEXEC … mean that the rights were there), or only opened, never written.
 */
#ifndef ATTACK_H
#define ATTACK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long attack(int argc, char **argv);

struct entry {
    const char *name;
    attack *run;
};

extern const struct entry CALLS[], FILES[], PROCESSES[], NETWORK[], FRAMES[], RESOURCES[];

static inline long outcome(long result)
{
    return result < 0 ? -errno : 0;
}

/* A number argument; 0 where there is none. */
static inline long number(int argc, char **argv, int index)
{
    return index < argc ? strtol(argv[index], NULL, 0) : 0;
}

/* What the attack saw, after its outcome. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
