/* launcher SOCKET_FD: execute the plans that come over the socket, until its other end closes. */
#include "launcher.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct entry {
    operation *run;
    uint16_t numbers, strings; /* at least */
};

/* Indexed by the codes of runtimes/launcher/operations, a line for each. */
/* clang-format off */
static const struct entry TABLE[] = {
    [1] = {op_make_directory, 4, 1},
    [2] = {op_write_file, 0, 2},
    [3] = {op_clone, 1, 1},
    [4] = {op_id_map, 0, 2},
    [6] = {op_enter_namespace, 1, 1},
    [7] = {op_mount, 1, 4},
    [8] = {op_bind_idmapped, 2, 2},
    [9] = {op_bind, 3, 2},
    [10] = {op_mask, 0, 1},
    [11] = {op_pivot_root, 0, 1},
    [12] = {op_chroot, 0, 1},
    [13] = {op_symlink, 2, 2},
    [14] = {op_make_node, 5, 1},
    [15] = {op_hostname, 0, 1},
    [16] = {op_loopback, 0, 0},
    [17] = {op_veth, 2, 3},
    [18] = {op_address, 3, 1},
    [19] = {op_identity, 3, 1},
    [20] = {op_capabilities, 5, 0},
    [21] = {op_no_new_privileges, 0, 0},
    [22] = {op_seccomp, 0, 1},
    [23] = {op_post, 0, 0},
    [24] = {op_wait, 0, 0},
    [25] = {op_execute, 4, 2},
    [26] = {op_resource_limit, 3, 0},
    [28] = {op_unshare, 1, 0},
    [29] = {op_hold, 1, 0},
    [30] = {op_leave_old_root, 0, 0},
    [31] = {op_make_overlay, 4, 4},
    [32] = {op_clone_tree, 3, 1},
    [33] = {op_make_tmpfs, 4, 1},
    [34] = {op_attach, 1, 1},
    [35] = {op_enter_process, 2, 0},
    [36] = {op_children_in, 1, 0},
    [37] = {op_make_mount, 2, 1},
    [38] = {op_device_filter, 0, 2},
    [39] = {op_affinity, 0, 1},
    [50] = {op_ask, 1, 0},
    [51] = {op_await_start, 1, 0},
    [52] = {op_hook, 2, 3},
    [53] = {op_terminal, 6, 0},
    [54] = {op_make_place, 1, 1},
    [55] = {op_attach_in_root, 2, 1},
    [56] = {op_mount_in_root, 1, 4},
    [57] = {op_unmount, 0, 1},
};
/* clang-format on */

static int run_step(struct context *context, const struct step *step)
{
    if (step->code >= sizeof TABLE / sizeof *TABLE || !TABLE[step->code].run)
        return -ENOSYS;
    const struct entry *entry = &TABLE[step->code];
    if (step->number_count < entry->numbers || step->string_count < entry->strings)
        return -EBADMSG;
    return entry->run(context, step);
}

int passed_fd(const struct context *context, uint64_t name)
{
    for (uint32_t i = STREAMS + 1; i < context->passed.count; i++)
        if (context->passed.names[i] == (int32_t)name)
            return context->passed.fds[i];
    return -1;
}

/* Both sides walk the whole list; after the clone the child goes on from the same place. */
static int run_all(struct context *context, const struct step *steps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (steps[i].side != context->side)
            continue;
        context->index = i;
        int error = run_step(context, &steps[i]);
        if (error)
            return error;
        if (steps[i].ends_stage)
            status_add(MARK, i, 0);
    }
    return 0;
}

static void execute(struct context *context, char *plan, size_t length)
{
    struct step *steps;
    uint32_t count;
    int error = plan_read(plan, length, &steps, &count);
    if (!error)
        error = run_all(context, steps, count);
    if (error && context->side == LAUNCHER && context->child > 0)
        kill(context->child, SIGKILL);
    if (error)
        status_add(FAILED, context->index, -error);
    else if (!context->child)
        status_add(DONE, context->index, 0);
    status_flush(context->status_fd);
    if (context->side == CHILD)
        _exit(1);
}

static int keep(const char *path, int flags, int number)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fd == number)
        return 0;
    int error = negative(dup3(fd, number, O_CLOEXEC));
    close(fd);
    return error;
}

/* Root of a mere user namespace may not go back to the host's network: it then makes one of its
 * own to be at home in from now on. */
static int go_home(void)
{
    if (!setns(OWN_NETWORK, CLONE_NEWNET))
        return 0;
    if (errno != EPERM || unshare(CLONE_NEWNET))
        return -errno;
    return keep("/proc/self/ns/net", O_RDONLY, OWN_NETWORK);
}

/* Nothing of one plan is left when the next one comes. */
static int clean_up(const struct context *context)
{
    syscall(SYS_close_range, (unsigned)FIRST_OF_PLAN, ~0u, 0u);
    int error = context->moved & CLONE_NEWNET ? go_home() : 0;
    if (error)
        return error;
    if (context->moved & CLONE_NEWPID && setns(OWN_PIDS, CLONE_NEWPID))
        return -errno;
    return negative(chdir("/"));
}

static int serve_one(const struct stat *root)
{
    struct context context = {.side = LAUNCHER,
                              .sync_fd = -1,
                              .index = UINT32_MAX,
                              .root_device = root->st_dev,
                              .root_inode = root->st_ino};
    size_t length;
    memset(context.held, -1, sizeof context.held);
    char *plan = request_receive(SOCKET, &context.passed, &length);
    if (!plan)
        return -EPIPE;
    if (context.passed.count <= STREAMS)
        return clean_up(&context); /* nobody to answer to */
    context.status_fd = context.passed.fds[STREAMS];
    status_add(MARK, UINT32_MAX, 0);
    execute(&context, plan, length);
    return clean_up(&context);
}

/* A mount namespace of its own, which hears of the host's mounts and tells nobody of its own;
 * nothing of the caller's but the socket. */
static int prepare(int socket_fd)
{
    signal(SIGPIPE, SIG_IGN); /* a dead child is an error to report, not our end */
    set_slice(SHORT_SLICE_NS);
    umask(0); /* modes in the plan are meant; the program gets its own */
    if (socket_fd != SOCKET && dup3(socket_fd, SOCKET, O_CLOEXEC) < 0)
        return -errno;
    syscall(SYS_close_range, (unsigned)SOCKET + 1, ~0u, 0u);
    if (fcntl(SOCKET, F_SETFD, FD_CLOEXEC) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return -errno;
    int error = keep("/proc/self/ns/net", O_RDONLY, OWN_NETWORK);
    if (!error)
        error = keep("/proc/self/ns/pid", O_RDONLY, OWN_PIDS);
    if (!error)
        error = negative(unshare(CLONE_NEWNS));
    if (!error)
        error = negative(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    return error ? error : negative(chdir("/"));
}

int main(int argc, char **argv)
{
    struct stat root;
    if (argc != 2)
        return 2;
    int error = prepare(atoi(argv[1]));
    if (!error)
        error = negative(stat("/", &root));
    if (error)
        return NOT_BEGUN - error; /* nobody to tell of it yet but whoever waits for us */
    while (serve_one(&root) == 0)
        ;
    return 0;
}
