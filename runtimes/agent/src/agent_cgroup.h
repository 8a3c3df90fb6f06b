/* The limits of this process's cgroup, on v1 and v2, as far as they can be seen from here. */
#ifndef TAREBENCH_AGENT_CGROUP_H
#define TAREBENCH_AGENT_CGROUP_H

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cgroup_limits {
    double cpus;               /* quota over period; 0 for none */
    unsigned long long memory; /* bytes; ULLONG_MAX for none */
};

/* The file's first `size - 1` bytes as a string without trailing newlines; false if unreadable. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t n;
    while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return length > 0;
}

/* Whether `name` is an item of the comma-separated `list` (which is taken apart). */
static bool lists(char *list, const char *name)
{
    char *save = NULL;
    for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save))
        if (strcmp(item, name) == 0)
            return true;
    return false;
}

/* The path in `controller`'s hierarchy ("" for v2) from a /proc/self/cgroup line, or NULL. */
static char *cgroup_line(char *line, const char *controller)
{
    char *names = strchr(line, ':');
    char *path = names ? strchr(names + 1, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    bool ours = *controller ? lists(names + 1, controller) : names[1] == '\0';
    return ours && *path == '/' && !strstr(path, "/..") ? path : NULL;
}

/* Where `path` of `controller`'s hierarchy is mounted, by a /proc/self/mountinfo line. */
static bool cgroup_mount(char *line, const char *controller, const char *path, char *directory,
                         size_t size, size_t *top)
{
    char root[1024], point[1024], type[32], options[512], *tail = strstr(line, " - ");
    if (!tail || sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) != 2 ||
        sscanf(tail, " - %31s %*s %511s", type, options) != 2 ||
        strcmp(type, *controller ? "cgroup" : "cgroup2") != 0)
        return false;
    size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, skip) != 0 || (path[skip] && path[skip] != '/') ||
        (*controller && !lists(options, controller)))
        return false;
    const char *below = strcmp(path + skip, "/") == 0 ? "" : path + skip;
    *top = strlen(point);
    return (size_t)snprintf(directory, size, "%s%s", point, below) < size;
}

/* This process's directory in `controller`'s hierarchy; `top`: length of its mount point. */
static bool cgroup_directory(const char *controller, char *directory, size_t size, size_t *top)
{
    static char lines[65536];
    char path[PATH_MAX] = "", *save = NULL;
    if (!read_text("/proc/self/cgroup", lines, sizeof lines))
        return false;
    for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *found = cgroup_line(line, controller);
        if (found)
            snprintf(path, sizeof path, "%s", found);
    }
    if (!*path || !read_text("/proc/self/mountinfo", lines, sizeof lines))
        return false;
    for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (cgroup_mount(line, controller, path, directory, size, top))
            return true;
    return false;
}

static bool read_in(const char *directory, const char *name, char *text, size_t size)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return read_text(path, text, size);
}

static void cgroup_read(const char *directory, struct cgroup_limits *least)
{
    char text[128], more[128];
    double quota = 0, period = 0;
    unsigned long long memory = ULLONG_MAX;
    if (read_in(directory, "cpu.max", text, sizeof text)) {
        sscanf(text, "%lf %lf", &quota, &period); /* "max 100000" leaves 0 */
    } else if (read_in(directory, "cpu.cfs_quota_us", text, sizeof text) &&
               read_in(directory, "cpu.cfs_period_us", more, sizeof more)) {
        quota = atof(text);
        period = atof(more);
    }
    if (quota > 0 && period > 0 && (least->cpus <= 0 || quota / period < least->cpus))
        least->cpus = quota / period;
    if ((read_in(directory, "memory.max", text, sizeof text) ||
         read_in(directory, "memory.limit_in_bytes", text, sizeof text)) &&
        sscanf(text, "%llu", &memory) == 1 && memory < least->memory)
        least->memory = memory;
}

/* Limits bind from every ancestor: the least one up to the mount point is the real one. */
static struct cgroup_limits cgroup_least(void)
{
    static const char *const hierarchies[] = {"", "cpu", "memory"};
    struct cgroup_limits least = {.memory = ULLONG_MAX};
    char directory[PATH_MAX];
    size_t top;
    for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
        if (!cgroup_directory(hierarchies[i], directory, sizeof directory, &top))
            continue;
        cgroup_read(directory, &least);
        while (strlen(directory) > top) {
            *strrchr(directory, '/') = '\0';
            cgroup_read(directory, &least);
        }
    }
    return least;
}

#endif
