/*
 * TCP connections and what their times come to, for the programs that measure a network.
 */
#ifndef TAREBENCH_PROGRAM_SOCKETS_H
#define TAREBENCH_PROGRAM_SOCKETS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base.h"

enum { MOST_PORT = 65535, MOST_TIMES = 1 << 20 };

static void put(int to, const char *at, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t sent = send(to, at, bytes, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            die(1, "send", strerror(errno));
        if (sent > 0) {
            at += sent;
            bytes -= (size_t)sent;
        }
    }
}

static void without_delay(int connection)
{
    const int on = 1;

    if (setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die(1, "TCP_NODELAY", strerror(errno));
}

static int connected(const char *address, uint16_t port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (inet_pton(AF_INET, address, &there.sin_addr) != 1)
        die(2, address, "is no IPv4 address");
    if (connection < 0 || connect(connection, (struct sockaddr *)&there, sizeof there) != 0)
        die(1, address, strerror(errno));
    without_delay(connection);
    return connection;
}

/* ---- times of one slice ---- */

struct times {
    uint64_t *ns; /* MOST_TIMES of them */
    uint64_t count;
};

static int ascending(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

/* By nearest rank: " p50_ns=… p90_ns=… p99_ns=…". */
static void print_percentiles(const struct times *times)
{
    static const uint64_t percents[] = {50, 90, 99};

    qsort(times->ns, times->count, sizeof *times->ns, ascending);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        printf(" p%" PRIu64 "_ns=%" PRIu64, percents[i],
               times->ns[(times->count * percents[i] + 99) / 100 - 1]);
}

#endif
