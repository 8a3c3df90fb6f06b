/* Files out of the box and into it, one at a time in each direction.
 *
 * A path is looked up inside the box's root: links on its way are followed there and nowhere else,
 * /proc's links into other roots are not (openat2(2)), and a link at its end is not followed.  What
 * comes in stands under another name until it is whole.
 */
#ifndef TAREBENCH_AGENT_FILES_H
#define TAREBENCH_AGENT_FILES_H

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent_channel.h"
#include "agent_jobs.h"
#include "sha256.h"

static struct {
    bool active;
    uint32_t id;
    int fd;
    uint64_t left;
    struct sha256 sum;
} outgoing;

static struct {
    bool active;
    uint32_t id;
    int fd, directory;
    uint64_t size, left;
    mode_t mode;
    char name[NAME_MAX + 1], draft[32];
    struct sha256 sum;
} incoming;

/* The agent's working directory is its root. */
static int open_inside(const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static void send_digest(uint32_t id, struct sha256 *sum)
{
    char hex[65];
    sha256_finish(sum, hex);
    channel_put_text('d', id, hex);
}

static void outgoing_end(void)
{
    if (outgoing.active)
        close(outgoing.fd);
    outgoing.active = false;
}

/* A G frame: `limit, path`, each ended by NUL.  One that is asked for ends the one before it. */
static void file_get(const struct frame *frame)
{
    char *strings[2], text[64];
    long limit;
    struct stat status;
    outgoing_end();
    if (split(frame->payload, frame->length, strings, 2) != 2 || *strings[1] != '/' ||
        !parse_number(strings[0], 0, LONG_MAX, &limit)) {
        channel_refuse(frame->job, "malformed request for a file", "", 0);
        return;
    }
    int fd = open_inside(strings[1], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status)) {
        channel_refuse(frame->job, "cannot open", strings[1], errno);
    } else if (!S_ISREG(status.st_mode)) {
        channel_refuse(frame->job, "no regular file:", strings[1], 0);
    } else if (status.st_size > limit) {
        channel_refuse(frame->job, "larger than was asked for:", strings[1], EFBIG);
    } else {
        outgoing.active = true;
        outgoing.id = frame->job;
        outgoing.fd = fd;
        outgoing.left = (uint64_t)status.st_size;
        sha256_start(&outgoing.sum);
        snprintf(text, sizeof text, "mode=%u\nsize=%llu\n", (unsigned)status.st_mode & 07777,
                 (unsigned long long)status.st_size);
        channel_put_text('g', frame->job, text);
        return;
    }
    if (fd >= 0)
        close(fd);
}

/* Send one piece, or the digest after the last; the caller has seen to room. */
static void file_feed(void)
{
    if (outgoing.left == 0) {
        send_digest(outgoing.id, &outgoing.sum);
        outgoing_end();
        return;
    }
    size_t most = outgoing.left < PIECE ? (size_t)outgoing.left : PIECE;
    unsigned char *piece = channel_reserve(most);
    ssize_t n = read(outgoing.fd, piece, most);
    if (n <= 0) {
        channel_refuse(outgoing.id, n ? "cannot read the file" : "the file became shorter", "",
                       n ? errno : 0);
        outgoing_end();
        return;
    }
    sha256_add(&outgoing.sum, piece, (size_t)n);
    channel_commit('b', outgoing.id, (size_t)n);
    outgoing.left -= (uint64_t)n;
}

/* Drop what came in so far. */
static void incoming_end(void)
{
    if (!incoming.active)
        return;
    unlinkat(incoming.directory, incoming.draft, 0);
    close(incoming.fd);
    close(incoming.directory);
    incoming.active = false;
}

static void incoming_refuse(const char *what, int error)
{
    channel_refuse(incoming.id, what, incoming.name, error);
    incoming_end();
}

/* All of it is there: give it its mode and its name.  A link of that name is replaced. */
static void incoming_finish(void)
{
    if (fchmod(incoming.fd, incoming.mode) ||
        renameat(incoming.directory, incoming.draft, incoming.directory, incoming.name)) {
        incoming_refuse("cannot finish", errno);
        return;
    }
    send_digest(incoming.id, &incoming.sum);
    close(incoming.fd);
    close(incoming.directory);
    incoming.active = false;
}

static void incoming_acknowledge(void)
{
    char text[24];
    if (incoming.left == 0) {
        incoming_finish();
        return;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)(incoming.size - incoming.left));
    channel_put_text('k', incoming.id, text);
}

/* Part `path` into an open directory and a name in it; 0 or an errno. */
static int incoming_place(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || *path != '/' || strlen(slash + 1) > NAME_MAX || !strcmp(slash + 1, "") ||
        !strcmp(slash + 1, ".") || !strcmp(slash + 1, ".."))
        return EINVAL;
    strcpy(incoming.name, slash + 1);
    slash[slash == path] = '\0';
    incoming.directory = open_inside(path, O_PATH | O_DIRECTORY);
    return incoming.directory < 0 ? errno : 0;
}

/* A P frame: `mode, size, path`, each ended by NUL; B frames follow until all of it has come. */
static void file_put(const struct frame *frame)
{
    char *strings[3];
    long mode, size;
    incoming_end();
    if (split(frame->payload, frame->length, strings, 3) != 3 ||
        !parse_number(strings[0], 0, 07777, &mode) ||
        !parse_number(strings[1], 0, LONG_MAX, &size)) {
        channel_refuse(frame->job, "malformed request to take a file", "", 0);
        return;
    }
    int error = incoming_place(strings[2]);
    if (error) {
        channel_refuse(frame->job, "no place for it:", strings[2], error);
        return;
    }
    incoming.id = frame->job;
    incoming.mode = (mode_t)mode;
    incoming.size = incoming.left = (uint64_t)size;
    snprintf(incoming.draft, sizeof incoming.draft, ".tarebench-%u", (unsigned)frame->job);
    incoming.fd = openat(incoming.directory, incoming.draft,
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (incoming.fd < 0) {
        channel_refuse(frame->job, "cannot make", incoming.name, errno);
        close(incoming.directory);
        return;
    }
    incoming.active = true;
    sha256_start(&incoming.sum);
    incoming_acknowledge();
}

/* A B frame.  Pieces that were on the way when their file was refused say nothing more. */
static void file_take(const struct frame *frame)
{
    const char *at = frame->payload, *end = at + frame->length;
    if (!incoming.active || incoming.id != frame->job)
        return;
    if (frame->length == 0 || frame->length > incoming.left) {
        incoming_refuse("more came than was announced for", 0);
        return;
    }
    while (at < end) {
        ssize_t n = write(incoming.fd, at, (size_t)(end - at));
        if (n < 0 && errno != EINTR) {
            incoming_refuse("cannot write", errno);
            return;
        }
        at += n > 0 ? n : 0;
    }
    sha256_add(&incoming.sum, (const unsigned char *)frame->payload, frame->length);
    incoming.left -= frame->length;
    incoming_acknowledge();
}

#endif
