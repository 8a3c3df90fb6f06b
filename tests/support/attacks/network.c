/* The host's network and its sockets. */
#include "attack.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>

static long socket_(int argc, char **argv)
{
    int kind = (int)number(argc, argv, 1), protocol = (int)number(argc, argv, 2);
    int fd = socket((int)number(argc, argv, 0), kind ? kind : SOCK_STREAM, protocol);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* An abstract Unix socket, which belongs to a network namespace, not to a file system. */
static long abstract_socket(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || argc < 1)
        return -errno;
    size_t length = strlen(argv[0]);
    memcpy(address.sun_path + 1, argv[0], length);
    return outcome(connect(fd, (struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
}

/* Whether an interface of the host is within reach of a raw socket. */
static long raw_on_interface(int argc, char **argv)
{
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (fd < 0 || argc < 1)
        return -errno;
    note("raw");
    return outcome(
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, argv[0], (socklen_t)strlen(argv[0]) + 1));
}

/* Take loopback down in whatever network namespace this is. */
static long link_down(int argc, char **argv)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = RTM_NEWLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_index = 1, .ifi_flags = 0, .ifi_change = IFF_UP},
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    (void)argc, (void)argv;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (fd < 0 || send(fd, &request, sizeof request, 0) < 0 ||
        recv(fd, &answer, sizeof answer, 0) < 0)
        return -errno;
    return answer.error.error;
}

/* A System V shared memory segment of the host, by key. */
static long shared_memory(int argc, char **argv)
{
    return outcome(shmget((key_t)number(argc, argv, 0), 0, 0));
}

const struct entry NETWORK[] = {
    {"socket", socket_},
    {"abstract-socket", abstract_socket},
    {"raw-on-interface", raw_on_interface},
    {"link-down", link_down},
    {"shared-memory", shared_memory},
    {0},
};
