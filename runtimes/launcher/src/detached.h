/* What makers of detached mounts share. */
#ifndef TAREBENCH_DETACHED_H
#define TAREBENCH_DETACHED_H

#include "launcher.h"

/* Own numbers and names: older libc headers lack them; they are the same on every
 * architecture (Linux numbers system calls from 424 on alike everywhere). */
enum { NR_OPEN_TREE = 428, NR_FSOPEN = 430, NR_FSCONFIG = 431, NR_FSMOUNT = 432 };
enum { TREE_CLONE = 1, FS_CLOEXEC = 1 };
enum { SET_FLAG = 0, SET_STRING = 1, CREATE = 6 };

/* Keep a mount (or tell why there is none, from errno) in a slot for the child. */
int hold(struct context *context, uint64_t slot, int fd);

/* fsconfig(2): a string, or a flag where there is no value; 0, or -1 and errno. */
int set(int fs, const char *key, const char *value);

/* The file system as a detached mount; -1 and errno. */
int finish(int fs, uint64_t attributes);

#endif
