/* tarebench agent: the main process of every box.
 *
 * It starts jobs, sends their output and their end, and answers questions about the box, over
 * frames whose form is in runtimes/agent/channel.py.  One thread, one poll loop, buffers of fixed size.
 *
 *   agent [--device PATH]
 *
 * It speaks on descriptors 0 and 1, or on PATH, a character device such as a virtio-serial port.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "agent_channel.h"
#include "agent_facts.h"
#include "agent_files.h"
#include "agent_jobs.h"

enum {
    PROTOCOL = 3,
    EXIT_PROTOCOL = 2,
    /* Jobs are read only while this much is free: a piece, and what requests may still answer. */
    FEED_ROOM = PIECE + FRAME_MAX + JOBS_MAX * SMALL,
    FDS = 3 + 2 * JOBS_MAX,
    OPEN_FILES = 4096, /* what a bare kernel lets process 1 have */
};

static const char hello[] = {'h', 0, 0, 0, 0, 0, 0, 0, 1, '0' + PROTOCOL};

/* Kill what is left below us, without being process 1.  Orphans become our children
 * (subreaper), so each round reaps one until there is none. */
static void kill_descendants(void)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < 10000; round++) {
        char *save = NULL, *end;
        if (!read_text(path, text, sizeof text) || !(end = strrchr(text, ' ')))
            return;
        *end = '\0'; /* each number ends with a blank; a cut one would be another's */
        for (char *pid = strtok_r(text, " ", &save); pid; pid = strtok_r(NULL, " ", &save))
            if (atoi(pid) > 1)
                kill(atoi(pid), SIGKILL);
        waitpid(-1, NULL, 0);
    }
}

static noreturn void leave(int status)
{
    incoming_end();
    for (struct job *job = jobs; job < jobs + JOBS_MAX; job++)
        if (job->used && !job->exited)
            job_signal(job, SIGKILL);
    if (getpid() != 1)
        kill_descendants();
    else
        kill(-1, SIGKILL); /* the kernel waits for them when process 1 of a namespace exits */
    _exit(status);
}

static noreturn void fail(const char *what)
{
    fprintf(stderr, "tarebench agent: %s: %s\n", what, strerror(errno));
    leave(1);
}

/* Say hello at once: it is what start-up is timed by. */
static void open_channel(int argc, char **argv)
{
    const char *device = argc == 3 && strcmp(argv[1], "--device") == 0 ? argv[2] : NULL;
    if (device) {
        channel.in = channel.out = open(device, O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (channel.in < 0)
            fail(device);
    }
    /* Blocking: a virtio port takes nothing before the host has connected. */
    if (write(channel.out, hello, sizeof hello) != (ssize_t)sizeof hello)
        fail("hello");
}

/* Jobs inherit the same soft limit whatever started us; kernel, distributions and engines
 * choose anything from 1024 to a million, and some programs work in proportion to it. */
static void even_limit(int resource, rlim_t soft)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit))
        return;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    setrlimit(resource, &limit);
}

static int set_up(const sigset_t *signals)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* Jobs are of the same user: they could speak for us through /proc/PID/fd, or trace us. */
    prctl(PR_SET_DUMPABLE, 0);
    even_limit(RLIMIT_NOFILE, OPEN_FILES);
    even_limit(RLIMIT_CORE, 0);
    umask(022);
    if (chdir("/"))
        fail("/");
    /* Nothing but 0, 1 and 2 reaches a job, and those are its own; fails before Linux 5.11. */
    syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    do {
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (null_fd >= 0 && null_fd <= 2);
    int signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (null_fd < 0 || signal_fd < 0)
        fail("set-up");
    fcntl(channel.in, F_SETFL, fcntl(channel.in, F_GETFL) | O_NONBLOCK);
    fcntl(channel.out, F_SETFL, fcntl(channel.out, F_GETFL) | O_NONBLOCK);
    return signal_fd;
}

static void handle(const struct frame *frame)
{
    switch (frame->type) {
    case 'R':
    case 'S':
        job_run(frame, frame->type == 'S');
        break;
    case 'I':
        job_input(frame);
        break;
    case 'K':
        job_kill(frame);
        break;
    case 'F':
        facts_send(frame->job, PROTOCOL);
        break;
    case 'D':
        digest_send(frame);
        break;
    case 'G':
        file_get(frame);
        break;
    case 'P':
        file_put(frame);
        break;
    case 'B':
        file_take(frame);
        break;
    default:
        leave(0);
    }
}

/* Answer every whole request that has come, while answers have room. */
static void handle_frames(void)
{
    struct frame frame;
    int found = 0;
    while (channel_has_room(PAYLOAD_MAX) && (found = channel_next(&frame)) > 0) {
        handle(&frame);
        channel_drop(&frame);
    }
    if (found < 0) {
        fputs("tarebench agent: the host broke the protocol\n", stderr);
        leave(EXIT_PROTOCOL);
    }
}

static void handle_signals(int signal_fd)
{
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            leave(128 + (int)info.ssi_signo);
    jobs_reap();
}

/* What to wait for.  A descriptor that is not wanted is -1: poll would report its hang-up. */
static void fill_fds(struct pollfd fds[FDS], int signal_fd)
{
    bool feed = channel_has_room(FEED_ROOM);
    fds[0] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = channel_has_room(PAYLOAD_MAX) ? channel.in : -1,
                             .events = POLLIN};
    fds[2] = (struct pollfd){.fd = channel_is_pending() ? channel.out : -1, .events = POLLOUT};
    for (int i = 0; i < 2 * JOBS_MAX; i++) {
        const struct job *job = jobs + i / 2;
        fds[3 + i] = (struct pollfd){.fd = feed && job->used ? job->pipe[i % 2] : -1,
                                     .events = POLLIN};
    }
}

static void wait_for(struct pollfd fds[FDS], int64_t limit_ns)
{
    struct timespec limit = {.tv_sec = limit_ns / 1000000000, .tv_nsec = limit_ns % 1000000000};
    if (ppoll(fds, FDS, limit_ns < 0 ? NULL : &limit, NULL) >= 0)
        return;
    if (errno != EINTR)
        fail("poll");
    for (int i = 0; i < FDS; i++)
        fds[i].revents = 0;
}

int main(int argc, char **argv)
{
    static struct pollfd fds[FDS];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    /* Even before hello: a host that has heard it may stop us, and what process 1 has neither
     * blocked nor caught is lost. */
    sigprocmask(SIG_BLOCK, &signals, NULL);
    open_channel(argc, argv);
    int signal_fd = set_up(&signals);
    for (;;) {
        int64_t limit_ns = jobs_expire();
        bool feed = outgoing.active && channel_has_room(FEED_ROOM);
        fill_fds(fds, signal_fd);
        wait_for(fds, feed ? 0 : limit_ns);
        if (fds[0].revents)
            handle_signals(signal_fd);
        for (int i = 0; i < 2 * JOBS_MAX; i++)
            if (fds[3 + i].revents && jobs[i / 2].pipe[i % 2] >= 0 && channel_has_room(FEED_ROOM))
                job_feed(jobs + i / 2, i % 2);
        if (feed && channel_has_room(FEED_ROOM))
            file_feed();
        jobs_report();
        if (fds[1].revents && !channel_fill())
            leave(0);
        handle_frames();
        if ((fds[2].revents & POLLERR) || !channel_flush())
            leave(0);
    }
}
