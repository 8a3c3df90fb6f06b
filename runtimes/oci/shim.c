/* shim PID_FILE RUNTIME RUNTIME_ROOT BUNDLE NAME
 *
 * The process that stays beside a container made by an OCI runtime, as containerd-shim or conmon
 * do: the runtime's own processes end once the container is created, so somebody must be its
 * parent, pass signals on, and keep its exit status.  As small as it can be, because its memory
 * is part of the price of every container.
 *
 * standard input   the container's input and output
 * standard output  the control socket; its end means that the harness is gone
 * standard error   the log, shared by the runtime and the container
 *
 * It says "created PID", waits for a byte, and says "started"; or "failed WHAT STATUS".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT = 125, MOST_ARGUMENTS = 16 };

extern char **environ;

static int control = -1;

static void say(const char *what, long number)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s %ld\n", what, number);
    if (write(control, line, (size_t)length) < 0)
        _exit(CANNOT);
}

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Run a command of the runtime to its end; its exit status. All signals are blocked here and
 * must not be in the runtime, nor in the container that inherits from it. */
static int run(char *const *argv)
{
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    int status;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawn(&pid, argv[0], NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (error)
        return CANNOT;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return CANNOT;
    return status_of(status);
}

static pid_t read_pid(const char *path)
{
    char text[32] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    long pid = length > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 1 ? (pid_t)pid : 0;
}

/* Reap everybody; true, with *code set, once the container has ended. */
static bool reap(pid_t container, int *code)
{
    int status;
    bool ended = false;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == container) {
            *code = status_of(status);
            ended = true;
        }
    return ended;
}

/* Pass signals on until the container ends; when the harness is gone, end it. */
static int stay(pid_t container, int signals)
{
    struct pollfd awaited[] = {{signals, POLLIN, 0}, {control, POLLIN, 0}};
    int code = 128 + SIGKILL;
    while (!reap(container, &code)) {
        struct signalfd_siginfo information;
        if (poll(awaited, 2, -1) < 0 && errno != EINTR)
            break;
        if (awaited[1].revents) {
            kill(container, SIGKILL);
            awaited[1].fd = -1;
            awaited[1].revents = 0;
        }
        if (!(awaited[0].revents & POLLIN))
            continue;
        if (read(signals, &information, sizeof information) == sizeof information &&
            information.ssi_signo != SIGCHLD)
            kill(container, (int)information.ssi_signo);
    }
    return code;
}

int main(int argc, char **argv)
{
    sigset_t all;
    char byte;
    if (argc != 6)
        return CANNOT;
    char *pid_file = argv[1], *runtime = argv[2], *root = argv[3];
    char *create[MOST_ARGUMENTS] = {runtime, "--root",     root,     "create", "--bundle",
                                    argv[4], "--pid-file", pid_file, argv[5],  NULL};
    char *start[MOST_ARGUMENTS] = {runtime, "--root", root, "start", argv[5], NULL};
    control = fcntl(1, F_DUPFD_CLOEXEC, 3);
    if (control < 0 || dup2(0, 1) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        return CANNOT;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    int status = run(create);
    pid_t container = status ? 0 : read_pid(pid_file);
    if (!container) {
        say("failed create", status);
        return CANNOT;
    }
    say("created", container);
    if (read(control, &byte, 1) != 1) {
        kill(container, SIGKILL);
        return CANNOT;
    }
    status = run(start);
    say(status ? "failed start" : "started", status);
    if (status)
        kill(container, SIGKILL);
    close(0), close(1); /* the end of the container's streams is the container's own */
    return stay(container, signals);
}
