/* First process of a guest: turns an initramfs into the shared root filesystem.
 *
 * Loads the modules listed in /modules, mounts the root disk, names and addresses the guest
 * from the kernel command line, moves onto the disk and starts the agent on its virtio-serial
 * port.  It stays process 1: it reaps orphans, and powers the guest off when the agent ends,
 * which is what tells the host.  Nothing but Linux and a static libc is needed.
 *
 * Kernel command line, all optional but the root:
 *   tb.root=/dev/vda tb.fstype=ext4      root disk
 *   tb.host=NAME                         host name
 *   tb.ip=A.B.C.D/PREFIX tb.gw=A.B.C.D tb.mtu=N    of eth0
 *   tb.agent=PATH tb.port=NAME           agent and virtio-serial port (by its name)
 *   tb.probe                             say so on the console and power off: nothing is mounted
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEVICE_WAIT_MS 10000

static char cmdline[4096];

static void say(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (length > (int)sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    (void)!write(2, line, length);
}

static void power_off(void)
{
    reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT); /* no power button (or no driver for it): QEMU ends on reset as well */
    for (;;)
        pause();
}

/* What the host reads on the console when the guest cannot start: one line, then the end. */
static void fail(const char *what, const char *object)
{
    say("tarebench-init: %s %s: %s", what, object, strerror(errno));
    power_off();
}

/* Value of KEY= on the kernel command line, copied; NULL if absent. */
static char *option(const char *key)
{
    size_t length = strlen(key);
    for (const char *at = cmdline; (at = strstr(at, key)); at += length)
        if ((at == cmdline || at[-1] == ' ') && at[length] == '=') {
            const char *value = at + length + 1;
            return strndup(value, strcspn(value, " \n"));
        }
    return NULL;
}

static char *option_or(const char *key, const char *otherwise)
{
    char *value = option(key);
    return value ? value : strdup(otherwise);
}

static void mount_or_fail(const char *what, const char *where, const char *type,
                          unsigned long flags, const char *data)
{
    mkdir(where, 0755);
    if (mount(what, where, type, flags, data) < 0)
        fail("cannot mount", where);
}

static int read_small(const char *path, char *into, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, into, size - 1);
    close(fd);
    if (got < 0)
        return -1;
    into[got] = 0;
    return got;
}

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

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

static void mount_root(int events)
{
    char *disk = option_or("tb.root", "/dev/vda");
    char *type = option_or("tb.fstype", "ext4");
    long from_ms = now_ms();
    while (access(disk, F_OK) < 0)
        if (!next_uevent(events, from_ms))
            fail("no root disk", disk);
    /* The image's inode tables are filled by the first mount (lazily): not while we measure. */
    mount_or_fail(disk, "/root", type, MS_NOATIME,
                  strcmp(type, "ext4") == 0 ? "noinit_itable" : NULL);
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

static void set_address(int fd, struct ifreq *request, unsigned long call, in_addr_t address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = address};
    if (ioctl(fd, call, request) < 0)
        fail("cannot address", request->ifr_name);
}

static void link_up(int fd, struct ifreq *request)
{
    if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
        fail("no interface", request->ifr_name);
    request->ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, request) < 0)
        fail("cannot bring up", request->ifr_name);
}

static void set_up_network(void)
{
    char *address = option("tb.ip"), *gateway = option("tb.gw"), *mtu = option("tb.mtu");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq loopback = {.ifr_name = "lo"}, ethernet = {.ifr_name = "eth0"};
    if (fd < 0)
        fail("no network in", "the kernel");
    link_up(fd, &loopback);
    if (!address)
        return;
    char *slash = strchr(address, '/');
    int prefix = slash ? atoi(slash + 1) : 24;
    if (slash)
        *slash = 0;
    set_address(fd, &ethernet, SIOCSIFADDR, inet_addr(address));
    in_addr_t mask = prefix ? htonl(0xffffffffu << (32 - prefix)) : 0;
    set_address(fd, &ethernet, SIOCSIFNETMASK, mask);
    if (mtu) {
        ethernet.ifr_mtu = atoi(mtu);
        if (ioctl(fd, SIOCSIFMTU, &ethernet) < 0)
            fail("cannot set the MTU of", ethernet.ifr_name);
    }
    link_up(fd, &ethernet);
    if (gateway) {
        struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
        *(struct sockaddr_in *)&route.rt_dst = (struct sockaddr_in){.sin_family = AF_INET};
        *(struct sockaddr_in *)&route.rt_genmask = (struct sockaddr_in){.sin_family = AF_INET};
        *(struct sockaddr_in *)&route.rt_gateway =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(gateway)};
        if (ioctl(fd, SIOCADDRT, &route) < 0)
            fail("no route by", gateway);
    }
    close(fd);
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

static int run_agent(const char *port)
{
    char *agent = option_or("tb.agent", "/opt/tarebench/agent");
    char *const argv[] = {agent, "--device", (char *)port, NULL};
    char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL=C.UTF-8", "HOME=/root", NULL};
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        execve(agent, argv, environment);
        say("tarebench-init: cannot execute %s: %s", agent, strerror(errno));
        _exit(127);
    }
    for (pid_t gone = 0; gone != child;) {
        gone = waitpid(-1, &status, 0); /* orphans of the box are reaped here as well */
        if (gone < 0 && errno != EINTR)
            fail("cannot wait for", agent);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(void)
{
    struct timespec booted;
    clock_gettime(CLOCK_BOOTTIME, &booted);
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
    char *name = option("tb.host");
    if (name && sethostname(name, strlen(name)) < 0)
        fail("cannot name the guest", name);
    set_up_network();
    mount_root(events);
    char node[128], *port = option_or("tb.port", "io.tarebench.agent");
    wait_for_port(events, port, node, sizeof node);
    furnish();
    switch_root();
    say("tarebench-init: kernel took %lld us", booted.tv_sec * 1000000LL + booted.tv_nsec / 1000);
    say("tarebench-init: agent exited with %d", run_agent(node));
    power_off();
}
