/* The launcher and the child, who work at the same time, wait for each other.
 *
 * A message says "go on", and brings the child the mounts that the launcher has made for it since
 * the last one: a byte for each descriptor says which slot it belongs to.
 */
#include "launcher.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum { NOTHING = 0xff };

struct parcel {
    unsigned char slots[MAX_HELD];
    char control[CMSG_SPACE(MAX_HELD * sizeof(int))] __attribute__((aligned(16)));
    struct iovec vector;
    struct msghdr header;
};

static void unfold(struct parcel *parcel, size_t count)
{
    memset(&parcel->header, 0, sizeof parcel->header);
    parcel->vector = (struct iovec){parcel->slots, count};
    parcel->header.msg_iov = &parcel->vector;
    parcel->header.msg_iovlen = 1;
}

static void enclose(struct msghdr *header, char *control, const int *fds, size_t count)
{
    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(count * sizeof *fds);
    struct cmsghdr *part = CMSG_FIRSTHDR(header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(part), fds, count * sizeof *fds);
}

/* Let the other side go on.  The launcher's records so far go first, so that they are there
 * when the child is ready. */
int op_post(struct context *context, const struct step *step)
{
    (void)step;
    struct parcel parcel = {.slots = {NOTHING}};
    int fds[MAX_HELD];
    size_t count = 0;
    if (context->side == LAUNCHER) {
        status_flush(context->status_fd);
        for (int slot = 0; slot < MAX_HELD; slot++)
            if (context->held[slot] >= 0) {
                parcel.slots[count] = (unsigned char)slot;
                fds[count++] = context->held[slot];
                context->held[slot] = -1; /* closed with all others at the plan's end */
            }
    }
    unfold(&parcel, count ? count : 1);
    if (count)
        enclose(&parcel.header, parcel.control, fds, count);
    return negative(sendmsg(context->sync_fd, &parcel.header, MSG_NOSIGNAL) < 0 ? -1 : 0);
}

static int take(struct context *context, struct parcel *parcel, size_t count)
{
    struct cmsghdr *part = CMSG_FIRSTHDR(&parcel->header);
    if (count == 1 && parcel->slots[0] == NOTHING)
        return 0;
    if (!part || part->cmsg_type != SCM_RIGHTS || part->cmsg_len != CMSG_LEN(count * sizeof(int)))
        return -EBADMSG;
    for (size_t i = 0; i < count; i++)
        if (parcel->slots[i] < MAX_HELD)
            memcpy(&context->held[parcel->slots[i]], CMSG_DATA(part) + i * sizeof(int),
                   sizeof(int));
    return 0;
}

int op_wait(struct context *context, const struct step *step)
{
    (void)step;
    struct parcel parcel;
    ssize_t n;
    unfold(&parcel, sizeof parcel.slots);
    if (context->side == CHILD) {
        parcel.header.msg_control = parcel.control;
        parcel.header.msg_controllen = sizeof parcel.control;
    }
    do
        n = recvmsg(context->sync_fd, &parcel.header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET) /* it died with something unread */
        return -errno;
    return n > 0 ? take(context, &parcel, (size_t)n) : -EPIPE;
}
