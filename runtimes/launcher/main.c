/* launcher PLAN_FD STATUS_FD: execute the plan; exit 0 when the child has been handed over. */
#include "launcher.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

struct entry {
    operation *run;
    uint16_t numbers, strings;      /* at least */
};

/* Indexed by the codes in runtimes/launcher/plan.py. */
static const struct entry TABLE[] = {
    [1] = {op_make_directory, 4, 1},
    [2] = {op_write_file, 0, 2},
    [3] = {op_clone, 1, 1},
    [4] = {op_id_map, 0, 2},
    [5] = {op_enter_mounts, 0, 0},
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
    [19] = {op_identity, 2, 0},
    [20] = {op_capabilities, 1, 0},
    [21] = {op_no_new_privileges, 0, 0},
    [22] = {op_seccomp, 0, 1},
    [23] = {op_post, 0, 0},
    [24] = {op_wait, 0, 0},
    [25] = {op_execute, 3, 2},
    [26] = {op_resource_limit, 3, 0},
    [27] = {op_remove_link, 0, 1},
    [28] = {op_unshare, 1, 0},
    [29] = {op_hold, 1, 0},
    [30] = {op_leave_old_root, 0, 0},
};

static int run_step(struct context *context, const struct step *step)
{
    if (step->code >= sizeof TABLE / sizeof *TABLE || !TABLE[step->code].run)
        return -ENOSYS;
    const struct entry *entry = &TABLE[step->code];
    if (step->number_count < entry->numbers || step->string_count < entry->strings)
        return -EBADMSG;
    return entry->run(context, step);
}

static void fail(struct context *context, int error)
{
    if (context->side == LAUNCHER && context->child > 0)
        kill(context->child, SIGKILL);
    status_add(FAILED, context->index, -error);
    status_flush(context->status_fd);
    _exit(1);
}

/* Both sides walk the whole list; after the clone the child goes on from the same place. */
static void run_all(struct context *context, const struct step *steps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (steps[i].side != context->side)
            continue;
        context->index = i;
        int error = run_step(context, &steps[i]);
        if (error)
            fail(context, error);
        status_add(MARK, i, 0);
    }
}

int main(int argc, char **argv)
{
    struct context context = {.side = LAUNCHER, .sync_read = -1, .sync_write = -1};
    struct step *steps;
    uint32_t count = 0;
    if (argc != 3)
        return 2;
    int plan_fd = atoi(argv[1]);
    context.status_fd = atoi(argv[2]);
    signal(SIGPIPE, SIG_IGN);       /* a dead child is an error to report, not our end */
    umask(0);       /* modes in the plan are meant; the program gets the usual 022 */
    /* Nothing of the caller's survives an exec but the program's three standard streams. */
    syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    status_add(MARK, UINT32_MAX, 0);
    struct stat root;
    int error = stat("/", &root) ? -errno : plan_read(plan_fd, &steps, &count);
    context.root_device = root.st_dev;
    context.root_inode = root.st_ino;
    if (error) {
        context.index = UINT32_MAX;
        fail(&context, error);
    }
    close(plan_fd);
    run_all(&context, steps, count);
    status_flush(context.status_fd);
    _exit(0);
}
