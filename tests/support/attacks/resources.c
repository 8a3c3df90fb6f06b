/* Taking more than one's share: all bounded, so that a missing limit harms nobody. */
#include "attack.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* forks COUNT: processes that wait until this one is done or dead; notes how many there were. */
static long forks(int argc, char **argv)
{
    long wanted = number(argc, argv, 0), made = 0, result = 0;
    int ends[2];
    char byte;
    if (pipe(ends))
        return -errno;
    for (; made < wanted && !result; made++) {
        pid_t pid = fork();
        if (pid == 0) {
            close(ends[1]);
            _exit((int)read(ends[0], &byte, 1));
        }
        if (pid < 0) {
            result = -errno;
            break;
        }
    }
    close(ends[1]);
    while (wait(NULL) > 0)
        ;
    note("%ld", made);
    return result;
}

/* memory BYTES: touched; whoever has less is killed. */
static long memory(int argc, char **argv)
{
    size_t length = (size_t)number(argc, argv, 0);
    char *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return -errno;
    for (size_t at = 0; at < length; at += 4096)
        start[at] = 1;
    return 0;
}

/* fill PATH BYTES: a file; removed again. */
static long fill(int argc, char **argv)
{
    static char block[1 << 16];
    long left = number(argc, argv, 1), result = 0;
    int fd = open(argc ? argv[0] : "/dev/shm/x", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return -errno;
    for (; left > 0 && !result; left -= (long)sizeof block)
        if (write(fd, block, sizeof block) < 0)
            result = -errno;
    unlink(argv[0]);
    return result;
}

/* descriptors-until COUNT: opened, in processes of as many as each may have; notes how many there
 * were when the kernel gave no more. */
static long descriptor_bomb(int argc, char **argv)
{
    long wanted = number(argc, argv, 0), made = 0, result = 0;
    int ends[2], told[2];
    char byte;
    if (pipe(ends) || pipe(told))
        return -errno;
    while (made < wanted && !result) {
        long opened = 0;
        pid_t pid = fork();
        if (pid < 0) {
            result = -errno;
            break;
        }
        if (pid == 0) {
            close(ends[1]);
            while (opened < wanted - made && dup(ends[0]) >= 0)
                opened++;
            long report[2] = {opened, opened < wanted - made ? errno : 0};
            _exit(write(told[1], report, sizeof report) < 0 || read(ends[0], &byte, 1));
        }
        long report[2];
        if (read(told[0], report, sizeof report) != sizeof report)
            return -EIO;
        made += report[0];
        if (!report[0])
            result = -report[1];
    }
    close(ends[1]);
    close(ends[0]);
    while (wait(NULL) > 0)
        ;
    note("%ld", made);
    return result;
}

/* files DIRECTORY COUNT: empty ones, removed again; notes how many there were. */
static long files(int argc, char **argv)
{
    char path[256];
    long wanted = number(argc, argv, 1), made = 0, result = 0;
    for (; made < wanted; made++) {
        snprintf(path, sizeof path, "%s/tarebench-%ld", argc ? argv[0] : "/tmp", made);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (fd < 0) {
            result = -errno;
            break;
        }
        close(fd);
    }
    for (long i = 0; i < made; i++) {
        snprintf(path, sizeof path, "%s/tarebench-%ld", argc ? argv[0] : "/tmp", i);
        unlink(path);
    }
    note("%ld", made);
    return result;
}

const struct entry RESOURCES[] = {
    {"forks", forks}, {"memory", memory},
    {"fill", fill},   {"descriptor-bomb", descriptor_bomb},
    {"files", files}, {0},
};
