/* Hooks that an OCI bundle wants run by the container's own process, with its state on their
 * standard input. */
#include "launcher.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { NR_PIDFD_OPEN = 434, MILLISECONDS = 1000 };

static void become_hook(const struct step *step, int state)
{
    uint64_t arguments = step->numbers[0];
    static char *argv[MAX_STRINGS + 1];
    sigset_t none;
    memcpy(argv, step->strings + 3, arguments * sizeof *argv);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(state, 0) == 0)
        execve(step->strings[2], argv, step->strings + 3 + arguments);
    _exit(127);
}

static int ended(pid_t pid, uint64_t timeout_s)
{
    int status, error = 0;
    struct pollfd end = {(int)syscall(NR_PIDFD_OPEN, pid, 0u), POLLIN, 0};
    if (timeout_s && poll(&end, 1, (int)(timeout_s * MILLISECONDS)) == 0) {
        kill(pid, SIGKILL);
        error = -ETIME;
    }
    close(end.fd);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return error || status == 0 ? error : -ECANCELED;
}

/* numbers: argv length, seconds it may take (0: any)
 * strings: state before the pid, state after it, program, argv…, environment… */
int op_hook(struct context *context, const struct step *step)
{
    (void)context;
    int state[2];
    char pid_text[24];
    if (step->string_count < step->numbers[0] + 3 || step->numbers[1] > 86400)
        return -EBADMSG;
    if (pipe2(state, O_CLOEXEC))
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        become_hook(step, state[0]);
    close(state[0]);
    if (pid < 0) {
        close(state[1]);
        return -errno;
    }
    snprintf(pid_text, sizeof pid_text, "%d", (int)getpid());
    /* A hook need not read it: EPIPE is no failure (SIGPIPE is ignored until the exec). */
    if (!write_whole(state[1], step->strings[0], step->lengths[0]) &&
        !write_whole(state[1], pid_text, strlen(pid_text)))
        write_whole(state[1], step->strings[1], step->lengths[1]);
    close(state[1]);
    return ended(pid, step->numbers[1]);
}
