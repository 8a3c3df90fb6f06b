/* Other processes: the host's, the box's own init, and rights that an exec could give. */
#include "attack.h"

#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

enum { NR_PIDFD_OPEN = 434, NR_PIDFD_SEND_SIGNAL = 424, NR_PIDFD_GETFD = 438 };

static long kill_(int argc, char **argv)
{
    return outcome(kill((pid_t)number(argc, argv, 0), (int)number(argc, argv, 1)));
}

static long trace(int argc, char **argv)
{
    pid_t pid = (pid_t)number(argc, argv, 0);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL))
        return -errno;
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return 0;
}

static long read_memory(int argc, char **argv)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {(void *)number(argc, argv, 1), 1};
    return outcome(process_vm_readv((pid_t)number(argc, argv, 0), &local, 1, &remote, 1, 0));
}

static long open_pid(int argc, char **argv)
{
    return outcome(syscall(NR_PIDFD_OPEN, number(argc, argv, 0), 0));
}

/* A descriptor of another process, as the box's init would have. */
static long steal_descriptor(int argc, char **argv)
{
    long pidfd = syscall(NR_PIDFD_OPEN, number(argc, argv, 0), 0);
    if (pidfd < 0)
        return -errno;
    return outcome(syscall(NR_PIDFD_GETFD, pidfd, number(argc, argv, 1), 0));
}

/* inject PID FD HEX: write on another process's descriptor, as the agent's channel, in its name. */
static long inject(int argc, char **argv)
{
    static unsigned char bytes[2048];
    size_t length = 0;
    unsigned value;
    long pidfd = syscall(NR_PIDFD_OPEN, number(argc, argv, 0), 0);
    if (pidfd < 0)
        return -errno;
    long stolen = syscall(NR_PIDFD_GETFD, pidfd, number(argc, argv, 1), 0);
    if (stolen < 0)
        return -errno;
    for (const char *at = argc > 2 ? argv[2] : ""; sscanf(at, "%2x", &value) == 1; at += 2)
        if (length < sizeof bytes)
            bytes[length++] = (unsigned char)value;
    return outcome(write((int)stolen, bytes, length));
}

/* Leave one's process group for a child's, and stay: a signal to the group does not come here. */
static long leave_group(int argc, char **argv)
{
    (void)argc, (void)argv;
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        pause();
        _exit(0);
    }
    setpgid(pid, pid);
    if (setpgid(0, pid))
        return -errno;
    for (;;)
        pause();
}

/* Trace and read a child: allowed in a box; shows that the attacks on others are well made. */
static long own_child(int argc, char **argv)
{
    static char here = 'x';
    char text[2][32];
    char *arguments[] = {text[0], text[1]};
    pid_t pid = fork();
    (void)argc, (void)argv;
    if (pid == 0) {
        pause();
        _exit(0);
    }
    snprintf(text[0], sizeof text[0], "%d", pid);
    snprintf(text[1], sizeof text[1], "%lu", (unsigned long)&here);
    long traced = trace(1, arguments), read = read_memory(2, arguments);
    long opened = open_pid(1, arguments);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return traced ? traced : read ? read : opened;
}

/* Ask for a capability back that has been dropped. */
static long raise_capability(int argc, char **argv)
{
    unsigned wanted = (unsigned)number(argc, argv, 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        return -errno;
    data[wanted / 32].permitted |= 1u << wanted % 32;
    data[wanted / 32].effective |= 1u << wanted % 32;
    return outcome(syscall(SYS_capset, &header, data));
}

static long bounding(int argc, char **argv)
{
    long result = prctl(PR_CAPBSET_READ, number(argc, argv, 0), 0, 0, 0);
    return result == 1 ? 0 : result == 0 ? -EPERM : -errno;
}

static long forgive(int argc, char **argv)
{
    (void)argc, (void)argv;
    return outcome(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* As user 1000 run a program that belongs to root and is set-uid; notes who it becomes. */
static long set_user_id(int argc, char **argv)
{
    int status;
    if (argc < 1)
        return -EINVAL;
    pid_t pid = fork();
    if (pid == 0) {
        if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
            _exit(101);
        execl(argv[0], argv[0], "who", NULL);
        _exit(102);
    }
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 100)
        return -ECANCELED;
    note("effective %d", WEXITSTATUS(status));
    return WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* Exit status: the effective user id, folded (1000 → 100). */
static long who(int argc, char **argv)
{
    (void)argc, (void)argv;
    exit(geteuid() == 0 ? 0 : 100);
}

static long groups(int argc, char **argv)
{
    gid_t list[64];
    (void)argc, (void)argv;
    int count = getgroups(64, list);
    for (int i = 0; i < count; i++)
        note("%u ", list[i]);
    return outcome(count);
}

static int look_into(const char *pid)
{
    char path[64], target[256];
    struct stat own, theirs;
    snprintf(path, sizeof path, "/proc/%.20s/exe", pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length > 0 && (target[length] = 0, strstr(target, "memfd:"))) {
        note("%s is %s", path, target);
        return 1;
    }
    snprintf(path, sizeof path, "/proc/%.20s/root", pid);
    if (!stat(path, &theirs) && !stat("/", &own) &&
        (own.st_dev != theirs.st_dev || own.st_ino != theirs.st_ino)) {
        note("%s is another", path);
        return 1;
    }
    return 0;
}

/* newcomers FIRST SECONDS: look into every process from that number on, again and again, for one
 * that is still the host's: its program or its root.  A program that is added to a box is that for
 * an instant (CVE-2016-9962, CVE-2019-5736). */
static long newcomers(int argc, char **argv)
{
    long first = number(argc, argv, 0), seen = 0;
    time_t end = time(NULL) + number(argc, argv, 1);
    while (time(NULL) < end) {
        DIR *directory = opendir("/proc");
        int found = 0;
        if (!directory)
            return -errno;
        for (struct dirent *entry; !found && (entry = readdir(directory));)
            if (atol(entry->d_name) >= first && ++seen)
                found = look_into(entry->d_name);
        closedir(directory);
        if (found)
            return 0;
    }
    return seen ? -EACCES : -ESRCH;
}

const struct entry PROCESSES[] = {
    {"kill", kill_},
    {"trace", trace},
    {"read-memory", read_memory},
    {"open-pid", open_pid},
    {"steal-descriptor", steal_descriptor},
    {"own-child", own_child},
    {"inject", inject},
    {"leave-group", leave_group},
    {"raise-capability", raise_capability},
    {"bounding", bounding},
    {"forgive", forgive},
    {"set-user-id", set_user_id},
    {"who", who},
    {"groups", groups},
    {"newcomers", newcomers},
    {0},
};
