/* Mount points in a root file system that may be anybody's: found and made component by
 * component below the root, through no link of /proc, and then used by descriptor.  So a link in
 * it, even one that another box exchanges meanwhile, leads to nothing but the box's own files. */
#include "launcher.h"

#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { NR_MOVE_MOUNT = 429, NR_OPENAT2 = 437 };
enum { FROM_EMPTY_PATH = 4, TO_EMPTY_PATH = 0x40 };

static int open_in_root(int root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(NR_OPENAT2, root, path, &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

static int make_mount_point(int directory, const char *name, bool file)
{
    if (!file)
        return negative(mkdirat(directory, name, 0755));
    int fd = openat(directory, name, O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    close(fd);
    return fd < 0 ? -errno : 0;
}

/* A descriptor of what is at path, made where it is missing; a negative errno. */
static int find_or_make(int root, const char *path, bool file)
{
    char part[4096];
    size_t length = strlen(path);
    int there = open_in_root(root, path);
    if (there != -ENOENT)
        return there;
    if (length >= sizeof part)
        return -ENAMETOOLONG;
    int directory = dup(root);
    for (size_t end = 0; end < length && directory >= 0;) {
        size_t begin = end + strspn(path + end, "/");
        end = begin + strcspn(path + begin, "/");
        memcpy(part, path, end);
        part[end] = '\0';
        bool last = path[end + strspn(path + end, "/")] == '\0';
        int found = open_in_root(root, part);
        if (found == -ENOENT) {
            int error = make_mount_point(directory, part + begin, file && last);
            found = error ? error : open_in_root(root, part);
        }
        close(directory);
        directory = found;
    }
    return directory;
}

static int in_root(const char *path, bool file)
{
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -errno;
    int found = find_or_make(root, path, file);
    close(root);
    return found;
}

/* numbers: whether a file; strings: where */
int op_make_place(struct context *context, const struct step *step)
{
    (void)context;
    int found = in_root(step->strings[0], step->numbers[0]);
    if (found < 0)
        return found;
    close(found);
    return 0;
}

/* numbers: slot, whether what it holds is a file; strings: where */
int op_attach_in_root(struct context *context, const struct step *step)
{
    if (step->numbers[0] >= MAX_HELD)
        return -EBADMSG;
    int tree = context->held[step->numbers[0]];
    int found = in_root(step->strings[0], step->numbers[1]);
    if (found < 0)
        return found;
    int error = negative(
        syscall(NR_MOVE_MOUNT, tree, "", found, "", FROM_EMPTY_PATH | TO_EMPTY_PATH));
    close(found);
    close(tree);
    return error;
}

/* mount(2) onto a directory: found once, and mounted on as what it is, not by its path again.
 * numbers: flags; strings: source, where, type, data */
int op_mount_in_root(struct context *context, const struct step *step)
{
    (void)context;
    char **s = step->strings;
    int found = in_root(s[1], false);
    if (found < 0)
        return found;
    int error = negative(
        fchdir(found) || mount(s[0], ".", s[2], step->numbers[0], *s[3] ? s[3] : NULL) ? -1 : 0);
    close(found);
    return chdir("/") && !error ? -errno : error;
}
