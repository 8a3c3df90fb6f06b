/* Where a start stops and waits for somebody else: the harness in the middle of it, or the
 * command that starts what another one has created. */
#include "launcher.h"

#include <sys/socket.h>

/* In the launcher: have the harness do its part (hooks that want the namespaces there and the
 * root not yet entered), and wait for its word.  numbers: a socket to it */
int op_ask(struct context *context, const struct step *step)
{
    int fd = passed_fd(context, step->numbers[0]);
    int32_t pid = context->child;
    int error = write_whole(fd, &pid, sizeof pid);
    char byte;
    ssize_t n = -1;
    while (!error && (n = read(fd, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (!error && n < 0)
        error = -errno;
    return error || n == 1 ? error : -EPIPE;
}

/* In the child, which is created now and runs its program once somebody connects to the socket.
 * What is told from here on is told to whom has connected: a failure, or by the end at the exec
 * that there was none.  numbers: listening socket */
int op_await_start(struct context *context, const struct step *step)
{
    int listener = passed_fd(context, step->numbers[0]), connection;
    status_add(READY, context->index, 0);
    status_flush(context->status_fd);
    close(context->status_fd);
    do
        connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (connection < 0 && errno == EINTR);
    if (connection < 0)
        return -errno;
    close(listener);
    context->status_fd = connection;
    return 0;
}
