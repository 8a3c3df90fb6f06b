/* First process of a guest: turns an initramfs into the shared root filesystem.
 *
 * Loads the modules listed in /modules, mounts the root disk, names and addresses the guest
 * from the kernel command line, moves onto the disk and starts the agent on its virtio-serial
 * port.  It stays process 1: it reaps orphans, and powers the guest off when the agent ends,
 * which is what tells the host.  Nothing but Linux and a static libc is needed.
 *
 * Kernel command line, all optional but the root:
 *   tb.root=/dev/vda tb.fstype=ext4      root disk
 *   tb.volume=/dev/vdb                   a disk with ext4 for /volume
 *   tb.volume=TAG tb.sharing=9p|virtiofs   a directory of the host's for /volume
 *   tb.host=NAME                         host name
 *   tb.thp=RULE                          when memory is backed with huge pages: as on the host
 *   tb.ip=A.B.C.D/PREFIX tb.gw=A.B.C.D tb.mtu=N    of eth0
 *   tb.agent=PATH tb.port=NAME           agent and virtio-serial port (by its name)
 *   tb.probe                             say so on the console and power off: nothing is mounted
 *   tb.lower=/dev/vda                    a read-only disk with ext4 for /lower
 *   tb.bridge=NAME                       put eth0 on a bridge, without an address
 *   tb.group=DIRECTORY                   run an inner box (box.h), which is in this cgroup
 *   tb.engine=DIRECTORY                  have an engine run the box (engine.h), below this cgroup
 *   tb.snapshot                          before the agent: say "ready" on its port, then wait for a
 *                                        line of tb.host, tb.ip …, for the copy that was restored
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "box.h"
#include "engine.h"
#include "network.h"
#include "snapshot.h"

#define DEVICE_WAIT_MS 10000

static void load_modules(void)
{
    FILE *list = fopen("/modules", "re");
    char path[256];
    if (!list)
        return; /* everything is built in */
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\n")] = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
            fail("cannot load module", path);
        close(fd);
        unlink(path); /* the initramfs is memory that the guest pays for */
    }
    fclose(list);
}

/* The kernel announces devices on this socket; opened before the modules are loaded. */
static int open_uevents(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd >= 0)
        (void)!bind(fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

/* Wait for the next announcement; 0 when DEVICE_WAIT_MS since `from_ms` are over. */
static int next_uevent(int events, long from_ms)
{
    char sink[8192];
    struct pollfd wait = {.fd = events, .events = POLLIN};
    long left_ms = from_ms + DEVICE_WAIT_MS - now_ms();
    if (left_ms <= 0 || poll(&wait, 1, left_ms) <= 0)
        return 0;
    while (recv(events, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
    return 1;
}

static void mount_disk(int events, const char *disk, const char *where, const char *type,
                       unsigned long flags)
{
    long from_ms = now_ms();
    while (access(disk, F_OK) < 0)
        if (!next_uevent(events, from_ms))
            fail("no disk", disk);
    /* The image's inode tables are filled by the first mount (lazily): not while we measure. */
    mount_or_fail(disk, where, type, MS_NOATIME | flags,
                  strcmp(type, "ext4") == 0 ? "noinit_itable" : NULL);
}

/* The tag is there once the device is: until then the mount finds nothing. */
static void mount_share(int events, const char *tag, const char *where, const char *type)
{
    const char *data = strcmp(type, "9p") == 0 ? "trans=virtio,version=9p2000.L" : NULL;
    long from_ms = now_ms();
    mkdir(where, 0755);
    while (mount(tag, where, type, MS_NOATIME, data) < 0)
        if ((errno != ENOENT && errno != EINVAL) || !next_uevent(events, from_ms))
            fail("cannot mount the share", tag);
}

static void mount_disks(int events)
{
    char *root = option_or("tb.root", "/dev/vda"), *type = option_or("tb.fstype", "ext4");
    char *volume = option("tb.volume"), *sharing = option("tb.sharing");
    char *lower = option("tb.lower");
    mount_disk(events, root, "/root", type, 0);
    if (lower)
        mount_disk(events, lower, "/root/lower", type, MS_RDONLY);
    if (volume && sharing)
        mount_share(events, volume, "/root/volume", sharing);
    else if (volume)
        mount_disk(events, volume, "/root/volume", "ext4", 0);
}

/* Node of the virtio-serial port called `name`, e.g. /dev/vport1p1. */
static int find_port(const char *name, char *node, size_t size)
{
    DIR *ports = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    char path[512], found[128];
    if (!ports)
        return 0;
    while ((entry = readdir(ports))) {
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        if (entry->d_name[0] == '.' || read_small(path, found, sizeof found) < 0)
            continue;
        found[strcspn(found, "\n")] = 0;
        snprintf(node, size, "/dev/%.100s", entry->d_name);
        if (strcmp(found, name) == 0 && access(node, F_OK) == 0)
            break;
    }
    closedir(ports);
    return entry != NULL;
}

static void wait_for_port(int events, const char *name, char *node, size_t size)
{
    long from_ms = now_ms();
    while (!find_port(name, node, size))
        if (!next_uevent(events, from_ms)) {
            errno = ENODEV;
            fail("no virtio-serial port", name);
        }
}

/* What every box has: the same mounts as the containers get, plus the guest's own cgroup2. */
static void furnish(void)
{
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) < 0 ||
        mount("/proc", "/root/proc", NULL, MS_MOVE, NULL) < 0 ||
        mount("/sys", "/root/sys", NULL, MS_MOVE, NULL) < 0)
        fail("cannot move mounts to", "/root");
    mount_or_fail("devpts", "/root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                  "mode=620,gid=5,ptmxmode=666");
    mount_or_fail("tmpfs", "/root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_or_fail("tmpfs", "/root/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
    mount("cgroup2", "/root/sys/fs/cgroup", "cgroup2", safe, NULL); /* optional in the kernel */
    (void)!symlink("/proc/self/fd", "/root/dev/fd");
    (void)!symlink("/proc/self/fd/0", "/root/dev/stdin");
    (void)!symlink("/proc/self/fd/1", "/root/dev/stdout");
    (void)!symlink("/proc/self/fd/2", "/root/dev/stderr");
}

static void switch_root(void)
{
    unlink("/modules");
    unlink("/init");
    if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        fail("cannot switch to", "/root");
}

/* Reap until `child` is gone: orphans of the box as well. */
static int wait_for(pid_t child, const char *what)
{
    int status = 0;
    for (pid_t gone = 0; gone != child;) {
        gone = waitpid(-1, &status, 0);
        if (gone < 0 && errno != EINTR)
            fail("cannot wait for", what);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A container in this guest, whose main process is the agent. */
static int run_inner(const char *port, const char *group, const char *parent)
{
    int fd = open(port, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        fail("cannot open", port);
    pid_t box = group ? run_plans(fd) : run_container(fd, parent);
    close(fd);
    if (group)
        say_limits(group);
    return wait_for(box, "the box");
}

static int run_agent(const char *port)
{
    char *agent = option_or("tb.agent", "/opt/tarebench/agent");
    char *const argv[] = {agent, "--device", (char *)port, NULL};
    char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
        "HOME=/root", NULL};
    pid_t child = fork();
    if (child == 0) {
        setsid();
        execve(agent, argv, environment);
        say("tarebench-init: cannot execute %s: %s", agent, strerror(errno));
        _exit(127);
    }
    return wait_for(child, agent);
}

int main(void)
{
    struct timespec booted;
    clock_gettime(CLOCK_BOOTTIME, &booted);
    say("tarebench-init: user space");
    mount_or_fail("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (read_small("/proc/cmdline", cmdline, sizeof cmdline) < 0)
        fail("cannot read", "/proc/cmdline");
    if (strstr(cmdline, "tb.probe")) {
        say("tarebench-init: probe reached user space");
        power_off();
    }
    mount_or_fail("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_or_fail("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
    int events = open_uevents();
    load_modules();
    set_host_name();
    set_huge_pages();
    set_up_network();
    bridge_network();
    mount_disks(events);
    char *group = option("tb.group"), *parent = option("tb.engine");
    if (group)
        take_box();
    if (parent)
        take_engine();
    char node[128], *port = option_or("tb.port", "io.tarebench.agent");
    wait_for_port(events, port, node, sizeof node);
    furnish();
    switch_root();
    say("tarebench-init: kernel took %lld us", booted.tv_sec * 1000000LL + booted.tv_nsec / 1000);
    if (strstr(cmdline, "tb.snapshot"))
        wait_for_identity(node);
    int inner = group || parent;
    say("tarebench-init: agent exited with %d",
        inner ? run_inner(node, group, parent) : run_agent(node));
    power_off();
}
