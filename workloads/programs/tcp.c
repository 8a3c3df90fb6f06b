/*
 * What one TCP connection does: round trips of small messages, and a stream one way.
 *
 *     tcp serve  PORT                     the other end of every connection; "listening" when it is
 *     tcp slices trips  ADDRESS PORT      round trips to such a server, in slices: see slices.h
 *     tcp slices stream ADDRESS PORT      a stream to it
 *
 * Exit status 2 on bad arguments, 1 when the network refuses or an answer is wrong; the reason is
 * on standard error.
 *
 * trips sends the next message when it has the answer to the last one whole (ping-pong), without
 * Nagle's delay, and reads with a blocking call, as sockperf does.  Each trip is timed; percentiles
 * are by nearest rank.
 * stream sends pieces as large as iperf3 does, and is over when the server has said that it has
 * them all, so that none is counted which is still on its way.
 *
 * The server has a process for each connection, so that none waits for another one.  A connection
 * begins with how long its messages are; each begins with whether it is to be answered, which is
 * done with the number of bytes received since the last answer.
 */

#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PROGRAM "tcp"
#include "base.h"
#include "slices.h"
#include "sockets.h"

enum {
    BACKLOG = 64,
    TRIP_BYTES = 64,
    PIECE_BYTES = 128 << 10,
};

struct head {
    uint64_t answered; /* by so many bytes; 0: not at all */
    uint64_t total;    /* of an answer: bytes received since the last one */
};

/* Exactly so many bytes; false where the connection ended before the first. */
static int get(int from, char *at, size_t bytes)
{
    size_t have = 0;

    while (have < bytes) {
        const ssize_t got = recv(from, at + have, bytes - have, 0);

        if (got < 0 && errno != EINTR)
            die(1, "recv", strerror(errno));
        if (got == 0 && have == 0)
            return 0;
        if (got == 0)
            die(1, "recv", "the connection ended within a message");
        if (got > 0)
            have += (size_t)got;
    }
    return 1;
}

/* ---- server ---- */

static void answer(int connection)
{
    static char message[PIECE_BYTES];
    uint64_t bytes, total = 0;
    struct head head;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the server, whoever ends that */
    without_delay(connection);
    if (!get(connection, (char *)&bytes, sizeof bytes))
        exit(0);
    if (bytes < sizeof head || bytes > sizeof message)
        die(1, "connection", "is none of ours");
    while (get(connection, message, bytes)) {
        memcpy(&head, message, sizeof head);
        total += bytes;
        if (head.answered == 0)
            continue;
        if (head.answered < sizeof head || head.answered > bytes)
            die(1, "message", "is none of ours");
        head.total = total;
        memcpy(message, &head, sizeof head);
        put(connection, message, head.answered);
        total = 0;
    }
    exit(0);
}

static void serve(uint16_t port)
{
    const struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (const struct sockaddr *)&here, sizeof here) != 0 ||
        listen(listener, BACKLOG) != 0)
        die(1, "listen", strerror(errno));
    signal(SIGCHLD, SIG_IGN); /* nobody waits for those that have ended */
    if (puts("listening") == EOF || fflush(stdout) != 0)
        die(1, "standard output", "cannot be written");
    for (;;) {
        const int connection = accept(listener, NULL, NULL);
        const pid_t child = connection < 0 ? -1 : fork();

        if (child == 0)
            answer(connection);
        if (child < 0 && errno != EINTR && errno != ECONNABORTED)
            die(1, "accept", strerror(errno));
        if (connection >= 0)
            close(connection);
    }
}

/* ---- client ---- */

/* A connection whose messages are so long. */
static int begun(const char *address, uint16_t port, uint64_t bytes)
{
    const int connection = connected(address, port);

    put(connection, (const char *)&bytes, sizeof bytes);
    return connection;
}

/* Send a message that is answered; the answer is to tell as many bytes. */
static void ask(int connection, char *message, size_t bytes, size_t answered, uint64_t total)
{
    static char back[TRIP_BYTES];
    struct head head = {answered, 0};

    memcpy(message, &head, sizeof head);
    put(connection, message, bytes);
    if (!get(connection, back, answered))
        die(1, "server", "closed the connection");
    memcpy(&head, back, sizeof head);
    if (head.answered != answered || head.total != total)
        die(1, "answer", "is not to what was sent");
}

static uint64_t trip(int connection)
{
    static char message[TRIP_BYTES];
    const uint64_t begin = now_ns();

    ask(connection, message, sizeof message, sizeof message, sizeof message);
    return now_ns() - begin;
}

/* Pieces for at least so long, until all have been received; how many bytes, and how long. */
static uint64_t stream(int connection, uint64_t span_ns, uint64_t *spent_ns)
{
    static char piece[PIECE_BYTES];
    const struct head unanswered = {0, 0};
    const uint64_t begin = now_ns();
    uint64_t bytes = sizeof piece; /* the last one */

    memcpy(piece, &unanswered, sizeof unanswered);
    while (now_ns() - begin < span_ns) {
        put(connection, piece, sizeof piece);
        bytes += sizeof piece;
    }
    ask(connection, piece, sizeof piece, sizeof unanswered, bytes);
    *spent_ns = now_ns() - begin;
    return bytes;
}

static void trip_slices(int connection)
{
    struct times times = {pages(MOST_TIMES * sizeof *times.ns), 0};
    struct slice slice;

    trip(connection); /* addresses are resolved, the server's process is there */
    slices_ready();
    while (slices_next(&slice)) {
        uint64_t begin = now_ns(), spent;

        while (now_ns() - begin < slice.lead_ns)
            trip(connection);
        times.count = 0;
        begin = now_ns();
        do {
            times.ns[times.count++] = trip(connection);
            spent = now_ns() - begin;
        } while (spent < slice.span_ns && times.count < MOST_TIMES);
        printf("ns=%" PRIu64 " trips=%" PRIu64, spent, times.count);
        print_percentiles(&times);
        slices_answered();
    }
}

static void stream_slices(int connection)
{
    struct slice slice;
    uint64_t bytes, spent_ns;

    stream(connection, 0, &spent_ns);
    slices_ready();
    while (slices_next(&slice)) {
        stream(connection, slice.lead_ns, &spent_ns);
        bytes = stream(connection, slice.span_ns, &spent_ns);
        printf("ns=%" PRIu64 " bytes=%" PRIu64, spent_ns, bytes);
        slices_answered();
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        serve((uint16_t)number(argv[2], 1, MOST_PORT));
    } else if (argc == 5 && strcmp(argv[1], "slices") == 0) {
        const uint16_t port = (uint16_t)number(argv[4], 1, MOST_PORT);

        if (strcmp(argv[2], "trips") == 0)
            trip_slices(begun(argv[3], port, TRIP_BYTES));
        else if (strcmp(argv[2], "stream") == 0)
            stream_slices(begun(argv[3], port, PIECE_BYTES));
        else
            die(2, argv[2], "is neither trips nor stream");
        return 0;
    }
    die(2, "usage", "tcp serve PORT | slices trips|stream ADDRESS PORT");
}
