/* Detached mounts: made by the launcher with the host's privileges (an overlay needs no userxattr
 * then, devices work), inherited by the child as descriptors, attached by it in its own mount
 * namespace.  Nothing of them is ever in the host's mount table. */
#include "launcher.h"

#include <stdio.h>
#include <sys/mount.h>

/* Own numbers and names: older libc headers lack them; they are the same on every
 * architecture (Linux numbers system calls from 424 on alike everywhere). */
enum { NR_OPEN_TREE = 428, NR_MOVE_MOUNT = 429, NR_FSOPEN = 430, NR_FSCONFIG = 431,
       NR_FSMOUNT = 432 };
enum { TREE_CLONE = 1, MOVE_EMPTY_PATH = 4, FS_CLOEXEC = 1 };
enum { SET_FLAG = 0, SET_STRING = 1, CREATE = 6 };
enum { NO_DEVICES = 4 };        /* MOUNT_ATTR_NODEV: a layer may bring the host's disk as a node */
enum { OPTION_BYTES = 255 };    /* fsconfig(2) takes no longer values */

static int hold(struct context *context, uint64_t slot, int fd)
{
    if (fd < 0)
        return -errno;
    if (slot >= MAX_HELD)
        return -EBADMSG;
    context->held[slot] = fd;
    return 0;
}

static int set(int fs, const char *key, const char *value)
{
    return (int)syscall(NR_FSCONFIG, fs, value ? SET_STRING : SET_FLAG, key, value, 0);
}

static int finish(int fs, uint64_t attributes)
{
    if (syscall(NR_FSCONFIG, fs, CREATE, NULL, NULL, 0))
        return -1;
    return (int)syscall(NR_FSMOUNT, fs, FS_CLOEXEC, (unsigned)attributes);
}

/* mount(2) takes a page of options where fsconfig(2) takes 255 characters of each: attached for
 * an instant, in the launcher's own mount namespace. */
static int long_overlay(const struct step *step)
{
    char data[4096];
    char **s = step->strings;
    int n = snprintf(data, sizeof data, "lowerdir=%s,upperdir=%s,workdir=%s,index=off%s", s[0],
                     s[1], s[2], step->numbers[1] ? ",volatile" : "");
    if (n < 0 || (size_t)n >= sizeof data) {
        errno = E2BIG;
        return -1;
    }
    if (mount("overlay", s[3], "overlay", MS_NODEV, data))
        return -1;
    int tree = (int)syscall(NR_OPEN_TREE, AT_FDCWD, s[3], TREE_CLONE | O_CLOEXEC);
    int reason = errno;
    umount2(s[3], MNT_DETACH);
    errno = reason;
    return tree;
}

/* numbers: slot, whether volatile; strings: lower, upper, work, a mount point */
int op_make_overlay(struct context *context, const struct step *step)
{
    char **s = step->strings;
    uint32_t *length = step->lengths;
    if (length[0] > OPTION_BYTES || length[1] > OPTION_BYTES || length[2] > OPTION_BYTES)
        return hold(context, step->numbers[0], long_overlay(step));
    int fs = (int)syscall(NR_FSOPEN, "overlay", FS_CLOEXEC);
    if (fs < 0)
        return -errno;
    if (set(fs, "source", "overlay") || set(fs, "lowerdir", s[0]) || set(fs, "upperdir", s[1]) ||
        set(fs, "workdir", s[2]) || set(fs, "index", "off") ||
        (step->numbers[1] && set(fs, "volatile", NULL)))
        return -errno;
    return hold(context, step->numbers[0], finish(fs, NO_DEVICES));
}

/* A copy of one mount that is attached in the launcher's own namespace.
 * numbers: slot; strings: where it is */
int op_clone_tree(struct context *context, const struct step *step)
{
    return hold(context, step->numbers[0],
                (int)syscall(NR_OPEN_TREE, AT_FDCWD, step->strings[0], TREE_CLONE | O_CLOEXEC));
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
