/* A terminal of the box's own devpts: the master goes to whoever asked, over a socket. */
#include "launcher.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

enum { NR_OPEN_TREE = 428, NR_MOVE_MOUNT = 429 };
enum { TREE_CLONE = 1, EMPTY_PATH = 0x1000, MOVE_EMPTY_PATH = 4 };
enum { CONSOLE_MAJOR = 5, PTMX_MINOR = 2 };

/* The name that OCI runtimes send with it; the receiver wants one, whatever it says. */
static int send_master(int socket_fd, int master)
{
    static char name[] = "/dev/ptmx";
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = {0};
    struct iovec vector = {name, sizeof name - 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &master, sizeof master);
    return negative(sendmsg(socket_fd, &message, MSG_NOSIGNAL));
}

/* What is at /dev/ptmx of a running box may be anything: only a terminal's master is taken. */
static int open_master(void)
{
    struct stat status;
    int unlocked = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0)
        return -errno;
    if (fstat(master, &status) || !S_ISCHR(status.st_mode) ||
        status.st_rdev != makedev(CONSOLE_MAJOR, PTMX_MINOR)) {
        close(master);
        return -ENOTTY;
    }
    if (fcntl(master, F_SETFL, O_RDWR) || ioctl(master, TIOCSPTLCK, &unlocked))
        return -errno;
    return master;
}

static int show_as_console(int terminal)
{
    int file = open("/dev/console", O_CREAT | O_NOFOLLOW | O_PATH | O_CLOEXEC, 0600);
    if (file < 0 && (file = open("/dev/console", O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        return -errno;
    close(file);
    int tree = (int)syscall(NR_OPEN_TREE, terminal, "", EMPTY_PATH | TREE_CLONE | O_CLOEXEC);
    if (tree < 0)
        return -errno;
    int error = negative(
        syscall(NR_MOVE_MOUNT, tree, "", AT_FDCWD, "/dev/console", MOVE_EMPTY_PATH));
    close(tree);
    return error;
}

/* The streams that came with the plan are let go of: somebody may read until they are closed. */
static int take(const struct passed *passed, int terminal)
{
    if (setsid() < 0 && errno != EPERM) /* EPERM: the leader of one already */
        return -errno;
    if (ioctl(terminal, TIOCSCTTY, 0))
        return -errno;
    for (int stream = 0; stream < STREAMS; stream++) {
        close(passed->fds[stream]);
        if (dup2(terminal, stream) < 0)
            return -errno;
    }
    return 0;
}

/* numbers: socket, uid and gid of the program, rows, columns, whether it is /dev/console too */
int op_terminal(struct context *context, const struct step *step)
{
    const uint64_t *n = step->numbers;
    struct winsize size = {.ws_row = (unsigned short)n[3], .ws_col = (unsigned short)n[4]};
    int master = open_master();
    if (master < 0)
        return master;
    int terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        return -errno;
    if ((size.ws_row && ioctl(master, TIOCSWINSZ, &size)) ||
        fchown(terminal, (uid_t)n[1], (gid_t)-1))
        return -errno;
    int error = send_master(passed_fd(context, n[0]), master);
    close(master);
    if (!error && n[5])
        error = show_as_console(terminal);
    return error ? error : take(&context->passed, terminal);
}
