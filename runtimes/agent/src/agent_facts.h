/* What the box looks like from inside: KEY=VALUE lines, and digests of its files. */
#ifndef TAREBENCH_AGENT_FACTS_H
#define TAREBENCH_AGENT_FACTS_H

#include <dirent.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "agent_cgroup.h"
#include "agent_channel.h"
#include "sha256.h"

enum { FACTS_MAX = 32768, VALUE_MAX = 1024 };

#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"

static struct {
    char text[FACTS_MAX];
    size_t length;
} facts;

/* One line; control characters in the value become blanks, so that a line stays a line. */
__attribute__((format(printf, 2, 3))) static void fact(const char *key, const char *format, ...)
{
    char value[VALUE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    for (char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = ' ';
    size_t room = sizeof facts.text - facts.length;
    int n = snprintf(facts.text + facts.length, room, "%s=%s\n", key, value);
    if (n > 0 && (size_t)n < room)
        facts.length += (size_t)n;
}

static void fact_file(const char *key, const char *path)
{
    char text[VALUE_MAX];
    if (read_text(path, text, sizeof text))
        fact(key, "%s", text);
}

static void facts_affinity(void)
{
    cpu_set_t set;
    char list[VALUE_MAX] = "";
    size_t length = 0;
    if (sched_getaffinity(0, sizeof set, &set))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int last = cpu;
        if (!CPU_ISSET(cpu, &set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
            last++;
        int n = snprintf(list + length, sizeof list - length, last > cpu ? "%s%d-%d" : "%s%d",
                         length ? "," : "", cpu, last);
        length += (size_t)n;
        if (length >= sizeof list)
            return; /* never cut: half a list would be a false one */
        cpu = last;
    }
    fact("affinity", "%s", list);
}

static void facts_cgroup(void)
{
    struct cgroup_limits least = cgroup_least();
    if (least.cpus > 0)
        fact("cgroup_cpu_max", "%.6g", least.cpus);
    if (least.memory < 1ULL << 62) /* v1 writes "unlimited" as a huge number */
        fact("cgroup_memory_max_bytes", "%llu", least.memory);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void facts_mitigations(void)
{
    struct dirent **entries;
    int count = scandir(VULNERABILITIES, &entries, not_hidden, alphasort);
    for (int i = 0; i < count; i++) {
        char key[300], path[PATH_MAX];
        snprintf(key, sizeof key, "mitigation.%s", entries[i]->d_name);
        snprintf(path, sizeof path, VULNERABILITIES "/%s", entries[i]->d_name);
        fact_file(key, path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void facts_namespaces(void)
{
    static const char *const names[] = {"pid", "mnt", "net", "user", "uts", "ipc", "cgroup"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char key[32], path[64];
        struct stat status;
        snprintf(key, sizeof key, "ns.%s", names[i]);
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        if (stat(path, &status) == 0)
            fact(key, "%llu", (unsigned long long)status.st_ino);
    }
}

/* `Name:\tvalue` lines of /proc/self/status under our own keys. */
static void facts_status(void)
{
    static const char *const wanted[][2] = {
        {"CapEff", "cap_eff"}, {"NoNewPrivs", "no_new_privs"}, {"Seccomp", "seccomp"}};
    static char text[16384];
    if (!read_text("/proc/self/status", text, sizeof text))
        return;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, ':');
        if (!value)
            continue;
        *value++ = '\0';
        value += strspn(value, " \t");
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strcmp(line, wanted[i][0]) == 0)
                fact(wanted[i][1], "%s", value);
    }
}

static void facts_machine(void)
{
    struct utsname names;
    struct sysinfo info;
    struct rlimit files;
    if (uname(&names) == 0) {
        fact("kernel", "%s", names.release);
        fact("machine", "%s", names.machine);
        fact("hostname", "%s", names.nodename);
    }
    if (sysinfo(&info) == 0) {
        fact("memory_total_bytes", "%llu", (unsigned long long)info.totalram * info.mem_unit);
        fact("swap_total_bytes", "%llu", (unsigned long long)info.totalswap * info.mem_unit);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        fact("rlimit_nofile", "%llu", (unsigned long long)files.rlim_cur);
    fact("cpus_online", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
}

/* What can still be written to the box's own root; a limit of disk is seen as that. */
static void facts_disk(void)
{
    struct statvfs status;
    if (statvfs("/var/tmp", &status) == 0 && !(status.f_flag & ST_RDONLY))
        fact("disk_free_bytes", "%llu",
             (unsigned long long)status.f_bavail * (unsigned long long)status.f_frsize);
}

/* The bracketed word of "always [madvise] never". */
static void facts_thp(void)
{
    char text[256];
    if (!read_text("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text))
        return;
    char *word = strchr(text, '['), *end = word ? strchr(word, ']') : NULL;
    if (end) {
        *end = '\0';
        fact("thp", "%s", word + 1);
    }
}

/* An F frame; the caller has seen to room for a whole payload. */
static void facts_send(uint32_t job, int protocol)
{
    facts.length = 0;
    fact("protocol", "%d", protocol);
    fact("pid", "%d", (int)getpid());
    fact("uid", "%u", (unsigned)getuid());
    facts_affinity();
    facts_machine();
    facts_disk();
    facts_cgroup();
    facts_status();
    facts_namespaces();
    facts_thp();
    fact_file("clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    fact_file("boot_id", "/proc/sys/kernel/random/boot_id");
    fact_file("rootfs_digest", "/opt/tarebench/rootfs.digest");
    facts_mitigations();
    channel_put('f', job, facts.text, facts.length);
}

/* A D frame: the digest of a regular file; anything else might never end. */
static void digest_send(const struct frame *frame)
{
    static unsigned char piece[65536];
    char path[PATH_MAX] = "", hex[65];
    struct sha256 hash;
    struct stat status;
    if (frame->length < sizeof path)
        memcpy(path, frame->payload, frame->length);
    if (*path != '/' || strlen(path) != frame->length) {
        channel_refuse(frame->job, "not an absolute path", "", 0);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) || !S_ISREG(status.st_mode)) {
        channel_refuse(frame->job, "cannot digest", path, fd < 0 ? errno : EINVAL);
        if (fd >= 0)
            close(fd);
        return;
    }
    ssize_t n;
    sha256_start(&hash);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        sha256_add(&hash, piece, (size_t)n);
    int error = errno;
    close(fd);
    sha256_finish(&hash, hex);
    if (n < 0)
        channel_refuse(frame->job, "cannot read", path, error);
    else
        channel_put_text('d', frame->job, hex);
}

#endif
