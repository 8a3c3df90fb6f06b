/* What every part of init uses: words on the console, the command line, mounts. */
#ifndef TAREBENCH_INIT_BASE_H
#define TAREBENCH_INIT_BASE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* On the kernel's own command line it would not hold: a guest of 512 MB or less ignores it there. */
static void set_huge_pages(void)
{
    char *rule = option("tb.thp");
    int fd = rule ? open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return; /* not in this kernel: the host is told what is the case by the agent */
    (void)!write(fd, rule, strlen(rule));
    close(fd);
}

#endif
