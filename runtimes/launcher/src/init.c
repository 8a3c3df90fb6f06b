/* The box's first process: passes signals on, reaps, ends with the main program.
 *
 * When it ends the kernel kills whatever is left in the PID namespace, so nothing outlives it.
 * The lifeline is a pipe whose other end only the harness holds: when the harness dies, in
 * whatever way, reading gives end of file and the box ends too.  (PR_SET_PDEATHSIG would fire
 * when the *thread* that started us ends, and harness threads come and go.)
 */
#include "launcher.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum { KILLED = 128 + SIGKILL };

/* True, with *code set as shells do it, once the main program has ended. */
static bool reap(pid_t main_child, int *code)
{
    int status;
    bool ended = false;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == main_child) {
            *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            ended = true;
        }
    return ended;
}

/* Closes all others.  A negative descriptor is none. */
void let_go_of_everything_but(int first, int second)
{
    int low = first < second ? first : second, high = first < second ? second : first;
    if (low > 0)
        syscall(SYS_close_range, 0u, (unsigned)low - 1, 0u);
    if (high > low + 1)
        syscall(SYS_close_range, (unsigned)(low < 0 ? 0 : low + 1), (unsigned)high - 1, 0u);
    syscall(SYS_close_range, (unsigned)high + 1, ~0u, 0u);
}

int init_run(pid_t main_child, int lifeline_fd)
{
    sigset_t all;
    int code = KILLED;
    sigfillset(&all);
    int signals = signalfd(-1, &all, SFD_CLOEXEC);
    struct pollfd awaited[] = {{signals, POLLIN, 0}, {lifeline_fd, POLLIN, 0}};
    if (signals < 0)
        return KILLED;
    let_go_of_everything_but(signals, lifeline_fd);
    for (;;) {
        if (poll(awaited, 2, -1) < 0 && errno != EINTR)
            return KILLED;
        if (awaited[1].revents)
            return KILLED;
        struct signalfd_siginfo info;
        if (!(awaited[0].revents & POLLIN) || read(signals, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo == SIGCHLD) {
            if (reap(main_child, &code))
                return code;
        } else {
            kill(main_child, (int)info.ssi_signo);
        }
    }
}
