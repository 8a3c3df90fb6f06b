/* An engine in the guest, and the container that it is told to run.
 *
 * Two files of the initramfs hold words, each ended by a NUL: /engine, what starts dockerd, and
 * /container, what has it run the box (runtimes/kvm/nested/docker.py).  The agent's port becomes the
 * client's standard input and output, and through it the container's.
 */
#ifndef TAREBENCH_INIT_ENGINE_H
#define TAREBENCH_INIT_ENGINE_H

#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base.h"
#include "box.h"

enum { WORDS_MAX = 64, WORDS_BYTES = 8192, ENGINE_WAIT_MS = 150000 };

#define NOTIFY "/run/notify"
#define ENGINE_LOG "/run/engine.log"

struct command {
    char text[WORDS_BYTES];
    char *words[WORDS_MAX + 1];
};

static struct command engine, container;

static char *const engine_environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
    "HOME=/root", "NOTIFY_SOCKET=" NOTIFY, NULL};

static void take_command(const char *path, struct command *command)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), count = 0;
    ssize_t length = fd < 0 ? -1 : read(fd, command->text, sizeof command->text - 1);
    if (length <= 0)
        fail("cannot read", path);
    close(fd);
    unlink(path);
    for (char *at = command->text; at < command->text + length && count < WORDS_MAX;
         at += strlen(at) + 1)
        command->words[count++] = at;
}

static void take_engine(void)
{
    take_command("/engine", &engine);
    take_command("/container", &container);
}

static pid_t start(const struct command *command, int input, int output, int error)
{
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        dup2(input, 0);
        dup2(output, 1);
        dup2(error, 2);
        execve(command->words[0], command->words, engine_environment);
        _exit(127);
    }
    if (pid < 0)
        fail("cannot start", command->words[0]);
    return pid;
}

/* What the engine said last, and the end of the guest. */
static void give_up(const char *why)
{
    char text[2048];
    int fd = open(ENGINE_LOG, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = size > (off_t)sizeof text ? size - (off_t)sizeof text : 0;
    ssize_t length = fd < 0 ? 0 : pread(fd, text, sizeof text, from);
    if (length > 0)
        (void)!write(2, text, length);
    say("\ntarebench-init: the engine %s", why);
    power_off();
}

/* sd_notify(3): READY=1 comes once the engine answers. */
static void await_engine(int notify, pid_t pid)
{
    char text[512];
    struct pollfd waited[] = {{notify, POLLIN, 0},
                              {(int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0}};
    for (long from_ms = now_ms();;) {
        long left_ms = from_ms + ENGINE_WAIT_MS - now_ms();
        if (left_ms <= 0 || poll(waited, 2, left_ms) <= 0)
            give_up("is not ready in time");
        if (waited[1].revents)
            give_up("ended at once");
        ssize_t length = recv(notify, text, sizeof text - 1, 0);
        if (length > 0) {
            text[length] = 0;
            if (strstr(text, "READY=1"))
                break;
        }
    }
    close(waited[1].fd);
}

static void start_engine(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY};
    int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int log = open(ENGINE_LOG, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (notify < 0 || bind(notify, (struct sockaddr *)&address, sizeof address) < 0 || log < 0)
        fail("cannot listen on", NOTIFY);
    await_engine(notify, start(&engine, null, log, log));
    close(notify);
    close(log);
    close(null);
    say("tarebench-init: engine ready");
}

static int is_set(const char *group, const char *file)
{
    char text[64];
    read_limit(group, file, text, sizeof text);
    return strncmp(text, "max", 3) != 0;
}

static const struct inotify_event *next_event(int watch)
{
    static char event[4096] __attribute__((aligned(8)));
    if (read(watch, event, sizeof event) <= 0)
        _exit(1);
    return (const void *)event;
}

/* The container's cgroup gets its limits after its first process, and before that becomes the
 * agent.  A process of its own waits for them, says them and ends; without limits it says nothing,
 * which the host takes for what it is. */
static void report_first_in(const char *parent)
{
    char group[512];
    const struct inotify_event *made;
    mkdir(parent, 0755);
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, parent, IN_CREATE | IN_ONLYDIR) < 0)
        fail("cannot watch", parent);
    pid_t pid = fork();
    if (pid != 0) {
        close(watch);
        return;
    }
    do
        made = next_event(watch);
    while (!(made->mask & IN_ISDIR));
    snprintf(group, sizeof group, "%s/%.200s", parent, made->name);
    if (inotify_add_watch(watch, group, IN_MODIFY | IN_ONLYDIR) < 0)
        _exit(1);
    while (!is_set(group, "memory.max") || !is_set(group, "cpu.max"))
        next_event(watch);
    say_limits(group);
    _exit(0);
}

/* The client's process: it ends with the container. */
static pid_t run_container(int port, const char *parent)
{
    start_engine();
    report_first_in(parent);
    return start(&container, port, port, STDERR_FILENO);
}

#endif
