/* Processes: cgroup files, the clone, id maps, and the program itself.  What it may do is in
 * rights.c. */
#include "launcher.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* numbers: mode, uid, gid, whether an existing one is fine */
int op_make_directory(struct context *context, const struct step *step)
{
    (void)context;
    const char *path = step->strings[0];
    if (mkdir(path, (mode_t)step->numbers[0]) && !(errno == EEXIST && step->numbers[3]))
        return -errno;
    if (step->numbers[1] || step->numbers[2])
        return negative(chown(path, (uid_t)step->numbers[1], (gid_t)step->numbers[2]));
    return 0;
}

int op_write_file(struct context *context, const struct step *step)
{
    (void)context;
    return write_path(step->strings[0], step->strings[1]);
}

static int into_child(struct context *context, int sync_fd, int launchers_end)
{
    context->side = CHILD;
    context->child = 0;
    context->sync_fd = sync_fd;
    close(launchers_end); /* so that the launcher's death ends our waiting */
    /* Not only at the exec: nothing that leads to the host is to be in a box's init at all. */
    syscall(SYS_close_range, (unsigned)SOCKET, (unsigned)FIRST_OF_PLAN - 1, 0u);
    for (int stream = 0; stream < STREAMS; stream++)
        if (dup2(context->passed.fds[stream], stream) < 0)
            return -errno;
    return 0;
}

/* numbers: clone flags; strings: v2 cgroup directory to be born in, or empty */
int op_clone(struct context *context, const struct step *step)
{
    int ends[2], group = -1;
    struct clone_args arguments = {.flags = step->numbers[0] | CLONE_PARENT};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return -errno;
    if (step->lengths[0]) {
        group = open(step->strings[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (group < 0)
            return -errno;
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (unsigned)group;
    }
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        if (group >= 0)
            close(group); /* a directory of the host */
        return into_child(context, ends[1], ends[0]);
    }
    close(ends[1]);
    context->sync_fd = ends[0];
    context->child = (pid_t)pid;
    status_add(CHILD_PID, context->index, pid);
    return 0;
}

/* numbers: flags, as for clone */
int op_unshare(struct context *context, const struct step *step)
{
    (void)context;
    return negative(unshare((int)step->numbers[0]));
}

/* strings: uid_map and gid_map of the child's user namespace */
int op_id_map(struct context *context, const struct step *step)
{
    static const char *const files[] = {"uid_map", "gid_map"};
    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", (int)context->child, files[i]);
        int error = write_path(path, step->strings[i]);
        if (error)
            return error;
    }
    return 0;
}

/* In the child: join a running box.  numbers: its pidfd's name, namespaces to join */
int op_enter_process(struct context *context, const struct step *step)
{
    int pidfd = passed_fd(context, step->numbers[0]);
    return negative(setns(pidfd, (int)step->numbers[1]));
}

/* In the launcher: its next child is born in that process's PID namespace.
 * numbers: its pidfd's name */
int op_children_in(struct context *context, const struct step *step)
{
    context->moved |= CLONE_NEWPID;
    return negative(setns(passed_fd(context, step->numbers[0]), CLONE_NEWPID));
}

/* strings: a CPU mask, as sched_setaffinity(2) takes it */
int op_affinity(struct context *context, const struct step *step)
{
    (void)context;
    return negative(
        syscall(SYS_sched_setaffinity, 0, (unsigned long)step->lengths[0], step->strings[0]));
}

/* The working directory comes with an image, and may name a descriptor that leads out of the root
 * (CVE-2024-21626): the kernel says "(unreachable)" where that is so. */
static int go_to(const char *directory)
{
    static char where[4096];
    if (chdir(directory))
        return -errno;
    if (!strcmp(directory, "/"))
        return 0;
    if (syscall(SYS_getcwd, where, sizeof where) < 0)
        return -errno;
    return where[0] == '/' ? 0 : -EXDEV;
}

void set_slice(uint64_t slice_ns)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {0};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0u) ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = slice_ns;
    syscall(SYS_sched_setattr, 0, &attributes, 0u);
}

static int become(const struct step *step, uint64_t arguments)
{
    char **argv = step->strings + 1, **environment;
    static char *copy[MAX_STRINGS + 2];
    sigset_t none;
    memcpy(copy, argv, arguments * sizeof *argv); /* a NULL must part argv from envp */
    environment = step->strings + 1 + arguments;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask((mode_t)step->numbers[3]);
    /* A group of its own, so that no signal to one reaches another box's.  Not a session: that
     * would move it to a new scheduling group (autogroup) at the worst moment. */
    setpgid(0, 0);
    set_slice(0);
    int error = go_to(step->strings[0]);
    if (error)
        return error;
    return execute_by_name(copy, environment);
}

/* numbers: argv length, whether under an init, lifeline descriptor (-1: none), umask
 * strings: working directory, argv…, environment… */
int op_execute(struct context *context, const struct step *step)
{
    uint64_t arguments = step->numbers[0];
    volatile int failure = 0;
    if (arguments == 0 || step->string_count < arguments + 1)
        return -EBADMSG;
    signal(SIGPIPE, SIG_DFL); /* Python ignores it, and ignored signals survive an exec */
    if (!step->numbers[1]) {
        status_add(READY, context->index, 0);
        status_flush(context->status_fd);
        return become(step, arguments);
    }
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* nothing in the box looks into its init */
    pid_t pid = vfork(); /* shares our memory until the exec: the failure comes back in it */
    if (pid == 0) {
        failure = become(step, arguments);
        _exit(127);
    }
    if (pid < 0 || failure)
        return pid < 0 ? -errno : failure;
    status_add(READY, context->index, 0);
    status_flush(context->status_fd);
    _exit(init_run(pid, passed_fd(context, step->numbers[2])));
}

/* Keep the namespaces alive until the other end of a pipe is closed.  numbers: descriptor */
int op_hold(struct context *context, const struct step *step)
{
    char byte;
    int lifeline_fd = passed_fd(context, step->numbers[0]);
    status_add(READY, context->index, 0);
    status_flush(context->status_fd);
    let_go_of_everything_but(lifeline_fd, -1);
    while (read(lifeline_fd, &byte, 1) < 0 && errno == EINTR)
        ;
    _exit(0);
}
