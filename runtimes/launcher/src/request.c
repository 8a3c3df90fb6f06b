/* One request: a message of a sequenced-packet socket, with its descriptors.
 *
 *   u32 count | i32 name… | plan
 *
 * As many descriptors come along as there are names: standard input, output and error, the
 * status pipe, then those that steps of the plan call by name (their numbers in the harness).
 */
#include "launcher.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Untouched pages cost nothing, here and in the child. */
static char message[MESSAGE_BYTES] __attribute__((aligned(16)));

static void take_descriptors(struct msghdr *header, struct passed *passed)
{
    passed->count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
            passed->count = (uint32_t)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(passed->fds, CMSG_DATA(part), passed->count * sizeof(int));
        }
}

/* The plan in the next message, or NULL at the end of the socket.  A message that is not as
 * above gives a plan of length 0. */
char *request_receive(int fd, struct passed *passed, size_t *length)
{
    char control[CMSG_SPACE(MAX_PASSED * sizeof(int))] __attribute__((aligned(16)));
    struct iovec vector = {message, sizeof message};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    uint32_t count;
    ssize_t n;
    do
        n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return NULL;
    take_descriptors(&header, passed);
    *length = 0;
    size_t names = passed->count * sizeof *passed->names;
    if ((size_t)n < sizeof count + names || header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return message;
    memcpy(&count, message, sizeof count);
    if (count != passed->count)
        return message;
    memcpy(passed->names, message + sizeof count, names);
    *length = (size_t)n - sizeof count - names;
#ifdef __SANITIZE_ADDRESS__
    char *exact = malloc(*length); /* what is read beyond its end is then an error */
    return exact ? memcpy(exact, message + sizeof count + names, *length) : NULL;
#endif
    return message + sizeof count + names;
}
