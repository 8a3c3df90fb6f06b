/* Mounts: the new API (open_tree, mount_setattr, move_mount: Linux 5.12) where one step must
 * be whole before it is seen (read-only binds, idmapped binds), mount(2) for the rest.
 * Detached mounts, which the launcher makes and the child attaches, are in detached.c. */
#include "launcher.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Own numbers and names: older libc headers lack them; they are the same on every
 * architecture (Linux numbers system calls from 424 on alike everywhere). */
enum { NR_OPEN_TREE = 428, NR_MOVE_MOUNT = 429, NR_MOUNT_SETATTR = 442 };
enum { TREE_CLONE = 1, TREE_RECURSIVE = 0x8000, EMPTY_PATH = 0x1000, MOVE_EMPTY_PATH = 4 };
enum { TO_LINKS_END = 0x10 }; /* as mount(2): where path is a link, what it leads to */
enum { ATTRIBUTE_IDMAP = 0x00100000 };

/* A detached copy of source with the attributes, then at target: never visible without them. */
static int bind_with(const char *source, const char *target, bool recursive,
                     struct attributes attributes)
{
    unsigned depth = recursive ? TREE_RECURSIVE : 0;
    int tree = (int)syscall(NR_OPEN_TREE, AT_FDCWD, source, TREE_CLONE | O_CLOEXEC | depth);
    if (tree < 0)
        return -errno;
    int error = 0;
    if (attributes.set &&
        syscall(NR_MOUNT_SETATTR, tree, "", EMPTY_PATH | depth, &attributes, sizeof attributes))
        error = -errno;
    if (!error && syscall(NR_MOVE_MOUNT, tree, "", AT_FDCWD, target, MOVE_EMPTY_PATH))
        error = -errno;
    close(tree);
    return error;
}

/* numbers: type of namespace; strings: its file */
int op_enter_namespace(struct context *context, const struct step *step)
{
    int fd = open(step->strings[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = negative(setns(fd, (int)step->numbers[0]));
    if (!error && context->side == LAUNCHER)
        context->moved |= (int)step->numbers[0];
    close(fd);
    return error;
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

/* numbers: flags; strings: source, target, type, data */
int op_mount(struct context *context, const struct step *step)
{
    (void)context;
    char **s = step->strings;
    return negative(mount(or_null(s[0]), s[1], or_null(s[2]), step->numbers[0], or_null(s[3])));
}

/* strings: where.  An overlay has a mount of its own of what its layers are on. */
int op_unmount(struct context *context, const struct step *step)
{
    (void)context;
    return negative(umount2(step->strings[0], MNT_DETACH | UMOUNT_NOFOLLOW));
}

/* numbers: user namespace descriptor, further attributes; strings: source, target */
int op_bind_idmapped(struct context *context, const struct step *step)
{
    struct attributes attributes = {
        .set = ATTRIBUTE_IDMAP | step->numbers[1],
        .user_namespace_fd = (uint64_t)passed_fd(context, step->numbers[0]),
    };
    return bind_with(step->strings[0], step->strings[1], false, attributes);
}

/* numbers: recursive, attributes to set, whether a missing source is fine */
int op_bind(struct context *context, const struct step *step)
{
    (void)context;
    struct attributes attributes = {.set = step->numbers[1]};
    int error = bind_with(step->strings[0], step->strings[1], step->numbers[0], attributes);
    return error == -ENOENT && step->numbers[2] ? 0 : error;
}

/* The null device over path.  What is at /dev/null may be the box's own choice (a volume whose place
 * a link in the image has led to /dev), and a link there would show what is to be hidden:
 * CVE-2025-31133. */
static int cover_with_null(const char *path)
{
    struct stat status;
    int tree = (int)syscall(NR_OPEN_TREE, AT_FDCWD, "/dev/null",
                            TREE_CLONE | O_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (tree < 0)
        return -errno;
    int error = negative(fstat(tree, &status));
    if (!error && (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)))
        error = -ENXIO;
    if (!error)
        error = negative(
            (int)syscall(NR_MOVE_MOUNT, tree, "", AT_FDCWD, path, MOVE_EMPTY_PATH | TO_LINKS_END));
    close(tree);
    return error;
}

/* Hide a path of /proc or /sys: the null device over a file, an empty directory (one for all, read-only)
 * over a directory.
 * What this kernel does not have needs no hiding. */
int op_mask(struct context *context, const struct step *step)
{
    (void)context;
    static const char *empty;
    const char *path = step->strings[0];
    struct stat status;
    if (stat(path, &status))
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(status.st_mode) && empty)
        return negative(mount(empty, path, NULL, MS_BIND, NULL)); /* flags are the source's */
    if (S_ISDIR(status.st_mode)) {
        empty = path;
        return negative(mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                              "size=0k,nr_inodes=2"));
    }
    return cover_with_null(path);
}

/* pivot_root(".", ".") stacks the old root on the new one, where "/" does not look. */
int op_pivot_root(struct context *context, const struct step *step)
{
    (void)context;
    return negative(chdir(step->strings[0]) || syscall(SYS_pivot_root, ".", ".") ? -1 : 0);
}

/* By the child, once it no longer needs to show the kernel that the host's /proc is whole:
 * detach the old root; there is no way back. */
int op_leave_old_root(struct context *context, const struct step *step)
{
    (void)step;
    struct stat root;
    if (chdir("/") || stat("/", &root))
        return -errno;
    if (root.st_dev == context->root_device && root.st_ino == context->root_inode)
        return -EXDEV; /* the pivot did not move us: never go on in the host's root */
    return negative(umount2(".", MNT_DETACH) || chdir("/") ? -1 : 0);
}

int op_chroot(struct context *context, const struct step *step)
{
    (void)context;
    return negative(chdir(step->strings[0]) || chroot(".") || chdir("/") ? -1 : 0);
}

/* numbers: uid, gid; strings: what the link says, where it is */
int op_symlink(struct context *context, const struct step *step)
{
    (void)context;
    const char *path = step->strings[1];
    if (symlink(step->strings[0], path))
        return -errno;
    if (step->numbers[0] || step->numbers[1])
        return negative(lchown(path, (uid_t)step->numbers[0], (gid_t)step->numbers[1]));
    return 0;
}

/* numbers: mode with type, major, minor, uid, gid */
int op_make_node(struct context *context, const struct step *step)
{
    (void)context;
    const uint64_t *n = step->numbers;
    const char *path = step->strings[0];
    if (mknod(path, (mode_t)n[0], makedev((unsigned)n[1], (unsigned)n[2])))
        return -errno;
    return n[3] || n[4] ? negative(chown(path, (uid_t)n[3], (gid_t)n[4])) : 0;
}

int op_hostname(struct context *context, const struct step *step)
{
    (void)context;
    return negative(sethostname(step->strings[0], step->lengths[0]));
}
