/* Detached mounts: made by the launcher with the host's privileges (an overlay needs no userxattr
 * then, devices work), sent to the child as descriptors (sync.c), attached by it in its own mount
 * namespace.  Nothing of them is ever in the host's mount table.  Overlays are in overlay.c. */
#include "detached.h"

#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>

enum { NR_MOVE_MOUNT = 429, NR_OPENAT2 = 437, NR_MOUNT_SETATTR = 442 };
enum { MOVE_EMPTY_PATH = 4, TREE_RECURSIVE = 0x8000, EMPTY_PATH = 0x1000 };

int hold(struct context *context, uint64_t slot, int fd)
{
    if (fd < 0)
        return -errno;
    if (slot >= MAX_HELD)
        return -EBADMSG;
    context->held[slot] = fd;
    return 0;
}

int set(int fs, const char *key, const char *value)
{
    return (int)syscall(NR_FSCONFIG, fs, value ? SET_STRING : SET_FLAG, key, value, 0);
}

int finish(int fs, uint64_t attributes)
{
    if (syscall(NR_FSCONFIG, fs, CREATE, NULL, NULL, 0))
        return -1;
    return (int)syscall(NR_FSMOUNT, fs, FS_CLOEXEC, (unsigned)attributes);
}

/* A copy of what is mounted at path; `direct`: through no link, whoever put it on the way. */
static int copy_of(const char *path, unsigned depth, bool direct)
{
    if (!direct)
        return (int)syscall(NR_OPEN_TREE, AT_FDCWD, path, TREE_CLONE | O_CLOEXEC | depth);
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int there = (int)syscall(NR_OPENAT2, AT_FDCWD, path, &how, sizeof how);
    if (there < 0)
        return -1;
    int tree = (int)syscall(NR_OPEN_TREE, there, "", TREE_CLONE | O_CLOEXEC | EMPTY_PATH | depth);
    int error = errno;
    close(there);
    errno = error;
    return tree;
}

/* A copy of one mount that is attached in the launcher's own namespace.
 * numbers: slot, whether with those below it, attributes to set, whether through no link;
 * strings: where it is */
int op_clone_tree(struct context *context, const struct step *step)
{
    unsigned depth = step->numbers[1] ? TREE_RECURSIVE : 0u;
    /* Not only read-only and the like: a copy of a mount that hears of the host's would, too. */
    struct attributes attributes = {.set = step->numbers[2], .propagation = MS_PRIVATE};
    int tree = copy_of(step->strings[0], depth, step->numbers[3]);
    if (tree >= 0 &&
        syscall(NR_MOUNT_SETATTR, tree, "", EMPTY_PATH | depth, &attributes, sizeof attributes))
        return -errno;
    return hold(context, step->numbers[0], tree);
}

/* A fresh tmpfs, which becomes the working directory to be filled.
 * numbers: slot, attributes, uid, gid; strings: size */
int op_make_tmpfs(struct context *context, const struct step *step)
{
    char uid[16], gid[16];
    snprintf(uid, sizeof uid, "%u", (unsigned)step->numbers[2]);
    snprintf(gid, sizeof gid, "%u", (unsigned)step->numbers[3]);
    int fs = (int)syscall(NR_FSOPEN, "tmpfs", FS_CLOEXEC);
    if (fs < 0)
        return -errno;
    if (set(fs, "source", "tmpfs") || set(fs, "mode", "755") || set(fs, "uid", uid) ||
        set(fs, "gid", gid) || set(fs, "size", step->strings[0]))
        return -errno;
    int error = hold(context, step->numbers[0], finish(fs, step->numbers[1]));
    return error ? error : negative(fchdir(context->held[step->numbers[0]]));
}

/* numbers: slot, attributes; strings: type */
int op_make_mount(struct context *context, const struct step *step)
{
    int fs = (int)syscall(NR_FSOPEN, step->strings[0], FS_CLOEXEC);
    if (fs < 0 || set(fs, "source", step->strings[0]))
        return -errno;
    return hold(context, step->numbers[0], finish(fs, step->numbers[1]));
}

/* In the child.  numbers: slot; strings: where */
int op_attach(struct context *context, const struct step *step)
{
    if (step->numbers[0] >= MAX_HELD)
        return -EBADMSG;
    int fd = context->held[step->numbers[0]];
    int error = negative(
        syscall(NR_MOVE_MOUNT, fd, "", AT_FDCWD, step->strings[0], MOVE_EMPTY_PATH));
    close(fd);
    return error;
}
