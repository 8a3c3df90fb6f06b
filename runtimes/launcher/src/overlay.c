/* The overlay of a box's root: any number of layers, which are entries "0" (the topmost), "1", "2"…
 * of one directory.  So a layer's own path may be long or hold whatever overlayfs' options use as
 * marks, and the box, which can read its mount's options, sees no path of the host's there. */
#include "detached.h"

#include <stdio.h>
#include <sys/mount.h>

enum { READ_ONLY = 1, NO_DEVICES = 4 }; /* a layer may bring the host's disk as a node */
enum { OPTION_BYTES = 255 };            /* fsconfig(2) takes no longer values */
enum { PAGE_BYTES = 4096 };             /* mount(2) takes no more options; 500 layers fit */

static int begin(const char *upper, const char *work, int is_volatile, int user_xattr)
{
    int fs = (int)syscall(NR_FSOPEN, "overlay", FS_CLOEXEC);
    if (fs < 0)
        return -1;
    if (set(fs, "source", "overlay") || set(fs, "index", "off") ||
        (user_xattr && set(fs, "userxattr", NULL)))
        return -1;
    if (*upper && (set(fs, "upperdir", upper) || set(fs, "workdir", work) ||
                   (is_volatile && set(fs, "volatile", NULL))))
        return -1;
    return fs;
}

/* All layers in one option. */
static int joined(char *text, size_t size, uint64_t depth)
{
    size_t used = 0;
    for (uint64_t i = 0; i < depth; i++) {
        int n = snprintf(text + used, size - used, "%s%llu", i ? ":" : "", (unsigned long long)i);
        if (n < 0 || (size_t)n >= size - used) {
            errno = E2BIG;
            return -1;
        }
        used += (size_t)n;
    }
    return 0;
}

/* The layers in one option, or, without one, one after the other (Linux 6.7).  Kernels before 6.5
 * take any option there and refuse it only here, at the end. */
static int by_context(const struct step *step, const char *lower, uint64_t depth)
{
    char name[24], **s = step->strings;
    int fs = begin(s[1], s[2], step->numbers[1] != 0, step->numbers[3] != 0);
    if (fs < 0 || (lower && set(fs, "lowerdir", lower)))
        return -1;
    for (uint64_t i = 0; !lower && i < depth; i++) {
        snprintf(name, sizeof name, "%llu", (unsigned long long)i);
        if (set(fs, "lowerdir+", name))
            return -1;
    }
    return finish(fs, NO_DEVICES | (*s[1] ? 0 : READ_ONLY));
}

/* mount(2) takes a page of options where fsconfig(2) takes 255 characters of each: attached for
 * an instant, in the launcher's own mount namespace. */
static int by_mount(const struct step *step, const char *lower)
{
    char data[PAGE_BYTES], writable[PAGE_BYTES] = "";
    char *upper = step->strings[1], *work = step->strings[2], *point = step->strings[3];
    int n = 0;
    if (*upper)
        n = snprintf(writable, sizeof writable, ",upperdir=%s,workdir=%s%s", upper, work,
                     step->numbers[1] ? ",volatile" : "");
    int all = snprintf(data, sizeof data, "index=off%s,lowerdir=%s%s",
                       step->numbers[3] ? ",userxattr" : "", lower, writable);
    if (n < 0 || all < 0 || (size_t)n >= sizeof writable || (size_t)all >= sizeof data) {
        errno = E2BIG;
        return -1;
    }
    if (mount("overlay", point, "overlay", MS_NODEV | (*upper ? 0 : MS_RDONLY), data))
        return -1;
    int tree = (int)syscall(NR_OPEN_TREE, AT_FDCWD, point, TREE_CLONE | O_CLOEXEC);
    int reason = errno;
    umount2(point, MNT_DETACH);
    errno = reason;
    return tree;
}

/* numbers: slot, whether volatile, how many layers, whether to keep its marks in user.* attributes
 *          (trusted.* ones are for the host's root only)
 * strings: the directory that they are in, upper and work (empty: read-only), a mount point */
int op_make_overlay(struct context *context, const struct step *step)
{
    char **s = step->strings, lower[PAGE_BYTES];
    uint64_t depth = step->numbers[2];
    uint32_t *length = step->lengths;
    int fits = length[1] <= OPTION_BYTES && length[2] <= OPTION_BYTES;
    if (chdir(s[0]))
        return -errno;
    int listed = !joined(lower, sizeof lower, depth);
    int brief = listed && strlen(lower) <= OPTION_BYTES, made = -1;
    if (fits)
        made = by_context(step, brief ? lower : NULL, depth);
    if (!fits || (made < 0 && errno == EINVAL && !brief)) {
        if (!listed)
            return -E2BIG;
        made = by_mount(step, lower);
    }
    return hold(context, step->numbers[0], made);
}
