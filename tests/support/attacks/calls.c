/* System calls that administer the host's kernel. */
#include "attack.h"

#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

enum { NR_FSOPEN = 430, NR_OPEN_TREE = 428, NR_MOUNT_SETATTR = 442, NR_CLONE3 = 435 };

static const char NOWHERE[] = "/nonexistent";

/* Any call by number: what the filter says to it. */
static long any_call(int argc, char **argv)
{
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = number(argc, argv, i + 1);
    return outcome(syscall(number(argc, argv, 0), a[0], a[1], a[2], a[3], a[4], a[5]));
}

static long mount_tmpfs(int argc, char **argv)
{
    return outcome(mount("none", argc ? argv[0] : "/tmp", "tmpfs", 0, NULL));
}

static long mount_proc(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(mount("proc", "/tmp", "proc", 0, NULL));
}

/* CVE-2022-0492 mounts a v1 hierarchy to write to its release_agent. */
static long mount_cgroup(int argc, char **argv)
{
    return outcome(mount("cgroup", "/tmp", "cgroup", 0, argc ? argv[0] : "memory"));
}

static long remount_writable(int argc, char **argv)
{
    const char *path = argc ? argv[0] : "/proc/sys";
    return outcome(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL));
}

static long unmount(int argc, char **argv)
{
    return outcome(umount2(argc ? argv[0] : "/proc/kcore", MNT_DETACH));
}

/* Refused with EINVAL or EBUSY where the right is there. */
static long pivot_root_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_pivot_root, "/", "/"));
}

static long fsopen_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(NR_FSOPEN, "tmpfs", 0));
}

static long open_tree_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(NR_OPEN_TREE, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */));
}

static long mount_setattr_(int argc, char **argv)
{
    uint64_t attributes[4] = {0};
    (void)argc, (void)argv;
    return outcome(syscall(NR_MOUNT_SETATTR, AT_FDCWD, "/", 0, attributes, sizeof attributes));
}

static long unshare_(int argc, char **argv)
{
    return outcome(unshare((int)number(argc, argv, 0)));
}

static long clone_(int argc, char **argv)
{
    long pid = syscall(SYS_clone, number(argc, argv, 0) | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return outcome(pid);
}

static long clone3_(int argc, char **argv)
{
    uint64_t arguments[8] = {[0] = (uint64_t)number(argc, argv, 0), [4] = SIGCHLD};
    long pid = syscall(NR_CLONE3, arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return outcome(pid);
}

/* By path of a namespace file: upward (/proc/1/ns/…) or one's own. */
static long setns_(int argc, char **argv)
{
    int fd = open(argc ? argv[0] : "/proc/self/ns/net", O_RDONLY);
    return fd < 0 ? -errno : outcome(setns(fd, 0));
}

static long bpf_(int argc, char **argv)
{
    union bpf_attr attributes = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    (void)argc, (void)argv;
    return outcome(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static long perf_event_open_(int argc, char **argv)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK};
    (void)argc, (void)argv;
    return outcome(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, 0));
}

static long userfaultfd_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_userfaultfd, O_CLOEXEC));
}

static long io_uring_(int argc, char **argv)
{
    struct io_uring_params parameters = {0};
    (void)argc, (void)argv;
    return outcome(syscall(SYS_io_uring_setup, 1, &parameters));
}

static long add_key_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_add_key, "user", "tarebench", "x", 1, -2 /* process keyring */));
}

static long keyctl_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* session */, 1));
}

static long init_module_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_init_module, "not a module", 12, ""));
}

static long finit_module_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_finit_module, -1, "", 0));
}

static long delete_module_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_delete_module, "tarebench_no_such", O_NONBLOCK));
}

static long kexec_load_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_kexec_load, 0, 0, NULL, 0xffffUL));
}

static long reboot_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(syscall(SYS_reboot, 0, 0, 0, NULL)); /* no magic, no reboot */
}

/* Sets the time zone to what it is: the right is checked, nothing changes. */
static long settimeofday_(int argc, char **argv)
{
    struct timezone zone;
    (void)argc, (void)argv;
    if (syscall(SYS_gettimeofday, NULL, &zone))
        return -errno;
    return outcome(syscall(SYS_settimeofday, NULL, &zone));
}

/* Sets the clock's tick to what it is. */
static long adjtimex_(int argc, char **argv)
{
    struct timex time = {0};
    (void)argc, (void)argv;
    if (adjtimex(&time) < 0)
        return -errno;
    time.modes = ADJ_TICK;
    return outcome(adjtimex(&time));
}

static long clock_settime_(int argc, char **argv)
{
    struct timespec now;
    (void)argc, (void)argv;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return outcome(clock_settime(CLOCK_MONOTONIC, &now)); /* EINVAL for everybody */
}

static long sethostname_(int argc, char **argv)
{
    const char *name = argc ? argv[0] : "escaped";
    return outcome(sethostname(name, strlen(name)));
}

static long swapon_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(swapon(NOWHERE, 0));
}

static long acct_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(acct(NOWHERE));
}

static long syslog_(int argc, char **argv)
{
    char line[256];
    (void)argc, (void)argv;
    return outcome(syscall(SYS_syslog, 3 /* read all */, line, sizeof line));
}

static long ports(int argc, char **argv)
{
    (void)argc, (void)argv;
#ifdef SYS_ioperm
    return outcome(syscall(SYS_ioperm, 0x80UL, 1UL, 1));
#else
    return -ENOSYS;
#endif
}

static long personality_(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(personality(ADDR_NO_RANDOMIZE));
}

#ifdef __x86_64__
static long i386_call(int call, int first, int second, int third)
{
    int result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(call), "b"(first), "c"(second), "d"(third), "S"(0), "D"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? result : 0;
}
#endif

/* The compatible architecture's entry: mount is 21 there.  getpid (20) tells that it works. */
static long compatible_call(int argc, char **argv)
{
#ifdef __x86_64__
    return i386_call((int)number(argc, argv, 0), (int)number(argc, argv, 1),
                     (int)number(argc, argv, 2), (int)number(argc, argv, 3));
#else
    (void)argc, (void)argv;
    return -ENOSYS;
#endif
}

/* socket FAMILY by i386's socketcall, whose arguments no filter sees: they are in memory. */
static long compatible_socketcall(int argc, char **argv)
{
#ifdef __x86_64__
    enum { SOCKETCALL = 102, SOCKET = 1 };
    uint32_t *arguments = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (arguments == MAP_FAILED)
        return -errno;
    arguments[0] = (uint32_t)number(argc, argv, 0);
    arguments[1] = SOCK_STREAM;
    return i386_call(SOCKETCALL, SOCKET, (int)(uintptr_t)arguments, 0);
#else
    (void)argc, (void)argv;
    return -ENOSYS;
#endif
}

/* By x86_64's third table, of 32-bit pointers; few kernels have it. */
static long x32_call(int argc, char **argv)
{
#ifdef __x86_64__
    enum { X32 = 0x40000000 };
    return outcome(syscall(X32 | number(argc, argv, 0), number(argc, argv, 1),
                           number(argc, argv, 2), number(argc, argv, 3)));
#else
    (void)argc, (void)argv;
    return -ENOSYS;
#endif
}

const struct entry CALLS[] = {
    {"call", any_call},
    {"mount-tmpfs", mount_tmpfs},
    {"mount-proc", mount_proc},
    {"mount-cgroup", mount_cgroup},
    {"remount-writable", remount_writable},
    {"unmount", unmount},
    {"pivot-root", pivot_root_},
    {"fsopen", fsopen_},
    {"open-tree", open_tree_},
    {"mount-setattr", mount_setattr_},
    {"unshare", unshare_},
    {"clone", clone_},
    {"clone3", clone3_},
    {"setns", setns_},
    {"bpf", bpf_},
    {"perf-event-open", perf_event_open_},
    {"userfaultfd", userfaultfd_},
    {"io-uring", io_uring_},
    {"add-key", add_key_},
    {"keyctl", keyctl_},
    {"init-module", init_module_},
    {"finit-module", finit_module_},
    {"delete-module", delete_module_},
    {"kexec-load", kexec_load_},
    {"reboot", reboot_},
    {"settimeofday", settimeofday_},
    {"adjtimex", adjtimex_},
    {"clock-settime", clock_settime_},
    {"sethostname", sethostname_},
    {"swapon", swapon_},
    {"acct", acct_},
    {"syslog", syslog_},
    {"ports", ports},
    {"personality", personality_},
    {"compatible-call", compatible_call},
    {"compatible-socketcall", compatible_socketcall},
    {"x32-call", x32_call},
    {0},
};
