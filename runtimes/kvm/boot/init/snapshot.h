/* A guest that is saved before its agent starts, and becomes an instance when it is restored. */
#ifndef TAREBENCH_INIT_SNAPSHOT_H
#define TAREBENCH_INIT_SNAPSHOT_H

#include <linux/random.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base.h"
#include "network.h"

/* Copies of one saved guest must not draw the same random numbers. */
static void stir(void)
{
    struct {
        struct rand_pool_info head;
        unsigned char bytes[32];
    } pool = {.head = {.entropy_count = 256, .buf_size = 32}};
    char *seed = option("tb.seed");
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    for (int at = 0; seed && at < 32 && sscanf(seed + 2 * at, "%2hhx", pool.bytes + at) == 1; at++)
        ;
    if (fd < 0 || !seed || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
        fail("cannot seed", "/dev/urandom");
    close(fd);
}

static void set_clock(void)
{
    char *text = option("tb.time");
    struct timespec now = {.tv_sec = text ? atoll(text) : 0};
    if (text)
        clock_settime(CLOCK_REALTIME, &now);
}

/* Saved while it waits here; what it is told after that makes it an instance of its own. */
static void wait_for_identity(const char *port)
{
    int fd = open(port, O_RDWR | O_CLOEXEC);
    size_t length = 0;
    if (fd < 0 || write(fd, "ready", 5) != 5)
        fail("cannot speak on", port);
    while (length < sizeof cmdline - 1 && (length == 0 || cmdline[length - 1] != '\n')) {
        ssize_t got = read(fd, cmdline + length, 1);
        if (got < 0 && errno != EINTR)
            fail("cannot listen on", port);
        if (got == 0)
            usleep(1000); /* nobody is connected */
        length += got > 0;
    }
    cmdline[length] = 0;
    close(fd);
    stir();
    set_clock();
    set_host_name();
    set_huge_pages();
    set_up_network();
}

#endif
