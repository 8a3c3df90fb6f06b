/* The inner box: the plans of runtimes/kvm/nested, executed by the launcher, here in the guest.
 *
 * The file /plans holds them one after another, each with a head of two 32-bit numbers: what kind
 * of plan it is, and its length.  The launcher gets a plan over a socket as it does on a host
 * (launcher/request.c), with the descriptors that the plan calls by the numbers below.
 */
#ifndef TAREBENCH_INIT_BOX_H
#define TAREBENCH_INIT_BOX_H

#include <net/if.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base.h"
#include "network.h"

enum plan_kind { ALONE = 0, ID_MAP = 1, BOX = 2 };
enum { LIFELINE = 100, MAPPED = 101 };
enum record_kind { MARK = 1, FAILED = 2, CHILD_PID = 3, READY = 4, DONE = 5 };
enum { NAMES = 6, PLANS_MAX = 1 << 20 };

struct status_record {
    uint32_t kind, index;
    int64_t value;
    uint64_t monotonic_ns;
};

static char plans[PLANS_MAX];
static size_t plans_length;
static int launcher_fd = -1;

/* Both are in the initramfs, which is out of sight once the root is another. */
static void take_box(void)
{
    FILE *file = fopen("/plans", "re");
    if (!file)
        fail("cannot read", "/plans");
    plans_length = fread(plans, 1, sizeof plans, file);
    fclose(file);
    unlink("/plans");
    launcher_fd = open("/launcher", O_RDONLY | O_CLOEXEC);
    if (launcher_fd < 0)
        fail("cannot open", "/launcher");
}

/* The guest's own card becomes a port of a bridge, so that the inner box is on the same wire. */
static void bridge_network(void)
{
    char *name = option("tb.bridge");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ethernet = {.ifr_name = "eth0"}, bridge = {0};
    if (!name)
        return;
    strncpy(bridge.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, SIOCBRADDBR, name) < 0)
        fail("cannot make the bridge", name);
    char *mtu = option("tb.mtu");
    ethernet.ifr_mtu = mtu ? atoi(mtu) : 1500;
    if (ioctl(fd, SIOCSIFMTU, &ethernet) < 0)
        fail("cannot set the MTU of", ethernet.ifr_name);
    if (ioctl(fd, SIOCGIFINDEX, &ethernet) < 0)
        fail("no interface", ethernet.ifr_name);
    bridge.ifr_ifindex = ethernet.ifr_ifindex;
    if (ioctl(fd, SIOCBRADDIF, &bridge) < 0)
        fail("cannot put eth0 on the bridge", name);
    link_up(fd, &ethernet);
    link_up(fd, &bridge);
    close(fd);
}

static int start_launcher(void)
{
    int ends[2];
    char number[16], path[64];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        fail("no socket for", "the launcher");
    snprintf(path, sizeof path, "/proc/self/fd/%d", launcher_fd);
    pid_t pid = fork();
    if (pid == 0) {
        int theirs = dup(ends[1]); /* without close-on-exec */
        snprintf(number, sizeof number, "%d", theirs);
        char *const argv[] = {"launcher", number, NULL}, *const environment[] = {NULL};
        execve(path, argv, environment);
        _exit(127);
    }
    if (pid < 0)
        fail("cannot start", "the launcher");
    close(ends[1]);
    close(launcher_fd);
    return ends[0];
}

static void send_plan(int launcher, void *plan, size_t length, const int fds[NAMES])
{
    static const int32_t names[NAMES] = {0, 1, 2, 3, LIFELINE, MAPPED};
    uint32_t count = NAMES;
    char control[CMSG_SPACE(NAMES * sizeof(int))] __attribute__((aligned(16))) = {0};
    struct iovec parts[] = {{&count, sizeof count}, {(void *)names, sizeof names}, {plan, length}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 3,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(NAMES * sizeof(int));
    memcpy(CMSG_DATA(head), fds, NAMES * sizeof(int));
    if (sendmsg(launcher, &message, MSG_NOSIGNAL) < 0)
        fail("cannot send a plan to", "the launcher");
}

/* The plan's child (0 for one without) once its program runs; the first failure ends the guest.
 * Launcher and child write independently: the child may be ready before its number is known. */
static pid_t follow(int status, unsigned number, uint64_t *took_ns)
{
    struct status_record record;
    uint64_t begun_ns = 0;
    pid_t child = 0;
    int ready = 0;
    while (read(status, &record, sizeof record) == sizeof record) {
        begun_ns = begun_ns ? begun_ns : record.monotonic_ns;
        *took_ns = record.monotonic_ns - begun_ns;
        ready |= record.kind == READY;
        if (record.kind == CHILD_PID)
            child = (pid_t)record.value;
        if (record.kind == FAILED) {
            say("tarebench-init: plan %u failed at step %u with %lld", number, record.index,
                (long long)record.value);
            power_off();
        }
        if (record.kind == DONE || (ready && child))
            return child;
    }
    errno = EPIPE;
    fail("no word from", "the launcher");
    return 0;
}

static pid_t execute(int launcher, enum plan_kind kind, unsigned number, void *plan, size_t length,
                     int port, int *mapped)
{
    int status[2], lifeline[2];
    if (pipe2(status, O_CLOEXEC) < 0 || pipe2(lifeline, O_CLOEXEC) < 0)
        fail("no pipe for", "the launcher");
    int stream = kind == BOX ? port : STDERR_FILENO;
    int fds[NAMES] = {stream,    stream,      STDERR_FILENO,
                      status[1], lifeline[0], *mapped < 0 ? STDERR_FILENO : *mapped};
    send_plan(launcher, plan, length, fds);
    close(status[1]);
    close(lifeline[0]);
    uint64_t took_ns;
    pid_t child = follow(status[0], number, &took_ns);
    close(status[0]);
    if (kind == BOX)
        say("tarebench-init: box took %llu us", (unsigned long long)took_ns / 1000);
    if (kind == ID_MAP) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
        *mapped = open(path, O_RDONLY | O_CLOEXEC);
        if (*mapped < 0)
            fail("cannot open", path);
    }
    if (kind != BOX)
        close(lifeline[1]); /* the box's own is held to its end, which is the guest's */
    return child;
}

/* Execute every plan; the box's main process. */
static pid_t run_plans(int port)
{
    int launcher = start_launcher(), mapped = -1;
    size_t at = 0;
    pid_t box = 0;
    for (unsigned number = 0; plans_length - at >= 8; number++) {
        uint32_t head[2];
        memcpy(head, plans + at, sizeof head);
        at += sizeof head;
        if (head[1] > plans_length - at) {
            errno = EBADMSG;
            fail("cannot read", "/plans");
        }
        pid_t child = execute(launcher, head[0], number, plans + at, head[1], port, &mapped);
        at += head[1];
        if (head[0] == BOX)
            box = child;
    }
    close(launcher); /* which ends it */
    if (!box) {
        errno = EBADMSG;
        fail("no box in", "/plans");
    }
    return box;
}

static void read_limit(const char *group, const char *file, char *text, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", group, file);
    if (read_small(path, text, size) < 0)
        fail("cannot read", path);
    text[strcspn(text, "\n")] = 0;
}

/* The limits of the inner box, as its cgroup has them: for the host, which reads the console. */
static void say_limits(const char *group)
{
    char cpus[64], quota[64], memory[64];
    read_limit(group, "cpuset.cpus.effective", cpus, sizeof cpus);
    read_limit(group, "cpu.max", quota, sizeof quota);
    read_limit(group, "memory.max", memory, sizeof memory);
    say("tarebench-init: box has cpus=%s quota=%s memory=%s;", cpus, quota, memory);
}

#endif
