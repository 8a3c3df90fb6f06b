/* The launcher: a small static program that executes plans computed by runtimes/launcher.
 *
 * It stays for as long as its harness does and serves one plan after another, so that a start
 * pays for neither an exec nor a copy of a fat parent.  Two processes walk the same list of
 * steps, each only its own side's:
 *   launcher  with the host's privileges: makes cgroups, directories and detached mounts,
 *             clones the child, writes its id maps, makes the veth pair; then takes the next plan
 *   child     the clone, in the new namespaces: joins its cgroups, builds its view, drops its
 *             rights, and runs the program, under a tiny init in a PID namespace
 * The child is made with CLONE_PARENT: the harness itself is its parent, holds its pidfd and
 * gets its exit status, and no helper process per box stays behind.
 */
#ifndef TAREBENCH_LAUNCHER_H
#define TAREBENCH_LAUNCHER_H

#define _GNU_SOURCE
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { STREAMS = 3 };

/* Exit status, and the errno on top, of a launcher that cannot begin. */
enum { NOT_BEGUN = 64 };

enum side { LAUNCHER = 0, CHILD = 1 };

/* The launcher's own descriptors; all above belong to the plan being executed. */
enum { SOCKET = 3, OWN_NETWORK = 4, OWN_PIDS = 5, FIRST_OF_PLAN = 6 };

/* One step of the plan, pointing into the plan's buffer. */
struct step {
    uint16_t code, side, number_count, string_count;
    uint16_t ends_stage;
    uint64_t numbers[MAX_NUMBERS];
    char **strings;
    uint32_t *lengths;
};

/* Descriptors that came with a plan, by the number that its steps call them. */
struct passed {
    uint32_t count;
    int32_t names[MAX_PASSED];
    int fds[MAX_PASSED];
};

struct context {
    enum side side;
    int status_fd;
    int sync_fd;        /* to the other side: a message says "go on", the end says "dead" */
    int held[MAX_HELD]; /* detached mounts, made by the launcher, sent to the child */
    pid_t child;
    uint32_t index;    /* of the step being executed */
    dev_t root_device; /* of the root directory that the launcher was started in */
    ino_t root_inode;
    int moved; /* namespaces that the launcher must go back to: CLONE_NEW* */
    struct passed passed;
};

/* struct mount_attr of mount_setattr(2), which older libc headers lack. */
struct attributes {
    uint64_t set, clear, propagation, user_namespace_fd;
};

/* Every operation returns 0 or a negative errno; the step's index tells the rest. */
typedef int operation(struct context *context, const struct step *step);

operation op_make_directory, op_write_file, op_clone, op_id_map, op_enter_namespace;
operation op_mount, op_bind_idmapped, op_bind, op_mask, op_pivot_root, op_chroot, op_symlink;
operation op_make_node, op_hostname, op_loopback, op_veth, op_address, op_identity;
operation op_capabilities, op_no_new_privileges, op_seccomp, op_post, op_wait, op_execute;
operation op_resource_limit, op_unshare, op_hold, op_leave_old_root;
operation op_make_overlay, op_clone_tree, op_make_tmpfs, op_attach, op_enter_process;
operation op_children_in, op_make_mount, op_device_filter, op_affinity;
operation op_ask, op_await_start, op_hook, op_terminal, op_make_place, op_attach_in_root;
operation op_mount_in_root;
operation op_unmount;

/* plan.c */
int plan_read(char *text, size_t length, struct step **steps, uint32_t *count);

/* request.c */
char *request_receive(int fd, struct passed *passed, size_t *length);

/* main.c */
int passed_fd(const struct context *context, uint64_t name);

/* status.c: records are kept and written together: each write wakes the harness. */
enum record { MARK = 1, FAILED = 2, CHILD_PID = 3, READY = 4, DONE = 5 };
void status_add(enum record kind, uint32_t index, int64_t value);
void status_flush(int fd);

/* search.c */
int execute_by_name(char **argv, char **environment);

/* init.c */
int init_run(pid_t main_child, int lifeline_fd);
void let_go_of_everything_but(int first, int second);

/* Slices of the scheduler, in ns; 0 is everybody's.  Short ones come sooner and end sooner: what
 * makes a box is a chain of short pieces of work, each by a process that has just begun.  The
 * share of the CPU stays the same.  Linux 6.12; older kernels take no notice. */
enum { SHORT_SLICE_NS = 100000 };
void set_slice(uint64_t slice_ns);

static inline int negative(long result)
{
    return result < 0 ? -errno : 0;
}

/* Interrupted and partial writes are finished; 0 or a negative errno. */
static inline int write_whole(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

static inline int write_path(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* One write: cgroup and /proc files take a value whole or not at all. */
    ssize_t n = write(fd, value, strlen(value));
    int result = n < 0 ? -errno : 0;
    close(fd);
    return result;
}

#endif
