/* The agent's channel: frames in, frames out, both in buffers of a fixed size.
 *
 * Nothing is read unless what it may cause to be written has room: a host that does not read
 * stops the jobs' pipes from being read, never grows this process.
 */
#ifndef TAREBENCH_AGENT_CHANNEL_H
#define TAREBENCH_AGENT_CHANNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER = 9,
    PAYLOAD_MAX = 65536,
    FRAME_MAX = HEADER + PAYLOAD_MAX,
    OUT_CAPACITY = 4 * FRAME_MAX,
};

struct frame {
    char type;
    uint32_t job;
    uint32_t length;
    char *payload;
};

static struct {
    int in, out; /* may be one descriptor (a device, a socket) */
    unsigned char pending[OUT_CAPACITY];
    size_t first, last; /* pending[first..last) is still to be written */
    unsigned char taken[FRAME_MAX];
    size_t held; /* taken[0..held) has been read */
} channel = {.in = 0, .out = 1};

static bool channel_has_room(size_t payload)
{
    return OUT_CAPACITY - (channel.last - channel.first) >= HEADER + payload;
}

static bool channel_is_pending(void)
{
    return channel.last > channel.first;
}

static void put_u32(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const unsigned char *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* The place for a payload that is written later by channel_commit; room was asked for before. */
static unsigned char *channel_reserve(size_t payload)
{
    if (channel.last + HEADER + payload > OUT_CAPACITY) {
        memmove(channel.pending, channel.pending + channel.first, channel.last - channel.first);
        channel.last -= channel.first;
        channel.first = 0;
    }
    return channel.pending + channel.last + HEADER;
}

static void channel_commit(char type, uint32_t job, size_t payload)
{
    unsigned char *frame = channel.pending + channel.last;
    frame[0] = (unsigned char)type;
    put_u32(frame + 1, job);
    put_u32(frame + 5, (uint32_t)payload);
    channel.last += HEADER + payload;
}

static void channel_put(char type, uint32_t job, const void *payload, size_t length)
{
    memcpy(channel_reserve(length), payload, length);
    channel_commit(type, job, length);
}

static void channel_put_text(char type, uint32_t job, const char *text)
{
    channel_put(type, job, text, strlen(text));
}

/* Why a request failed: `what`, and the errno's sentence where there is one. */
static void channel_refuse(uint32_t job, const char *what, const char *object, int error)
{
    char text[512];
    snprintf(text, sizeof text, "%s%s%.300s%s%s", what, *object ? " " : "", object,
             error ? ": " : "", error ? strerror(error) : "");
    channel_put_text('!', job, text);
}

/* Write what the host takes now; false when it is gone. */
static bool channel_flush(void)
{
    while (channel_is_pending()) {
        ssize_t n = write(channel.out, channel.pending + channel.first,
                          channel.last - channel.first);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        channel.first += (size_t)n;
    }
    channel.first = channel.last = 0;
    return true;
}

/* Read what is there; false at the end. */
static bool channel_fill(void)
{
    if (channel.held == sizeof channel.taken)
        return true;
    ssize_t n = read(channel.in, channel.taken + channel.held, sizeof channel.taken - channel.held);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    channel.held += (size_t)n;
    return n > 0;
}

/* 1: a whole frame is in `frame`; 0: not yet; -1: it breaks the protocol. */
static int channel_next(struct frame *frame)
{
    if (channel.held < HEADER)
        return 0;
    frame->type = (char)channel.taken[0];
    frame->job = get_u32(channel.taken + 1);
    frame->length = get_u32(channel.taken + 5);
    frame->payload = (char *)channel.taken + HEADER;
    if (frame->length > PAYLOAD_MAX || !strchr("RSIKFDGPBQ", frame->type) || frame->type == '\0')
        return -1;
    return channel.held >= HEADER + frame->length;
}

static void channel_drop(const struct frame *frame)
{
    size_t used = HEADER + frame->length;
    memmove(channel.taken, channel.taken + used, channel.held - used);
    channel.held -= used;
}

#endif
