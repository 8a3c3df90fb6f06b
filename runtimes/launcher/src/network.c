/* rtnetlink, just enough: loopback up, a veth pair with one end in the child, address, route.
 * A start must not wait for tools: `ip` costs more than everything else together. */
#include "launcher.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdbool.h>

struct request {
    struct nlmsghdr header;
    char body[1024];
};

static void begin(struct request *request, uint16_t type, uint16_t flags, const void *family,
                  size_t length)
{
    memset(request, 0, sizeof *request);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(length);
    memcpy(NLMSG_DATA(&request->header), family, length);
}

static struct rtattr *put(struct request *request, uint16_t type, const void *data, size_t length)
{
    char *end = (char *)request + NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr *attribute = (struct rtattr *)(void *)end;
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(length);
    if (length)
        memcpy(RTA_DATA(attribute), data, length);
    request->header.nlmsg_len = (uint32_t)(end - (char *)request + RTA_ALIGN(attribute->rta_len));
    return attribute;
}

static void put_text(struct request *request, uint16_t type, const char *text)
{
    put(request, type, text, strlen(text) + 1);
}

static void close_nest(struct request *request, struct rtattr *nest)
{
    nest->rta_len = (uint16_t)((char *)request + request->header.nlmsg_len - (char *)nest);
}

/* Send and wait for the kernel's answer: 0 or a negative errno. */
static int transact(int fd, struct request *request)
{
    char answer[4096];
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;
    ssize_t n;
    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    do
        n = recv(fd, answer, sizeof answer, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (!NLMSG_OK(header, (unsigned)n) || header->nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return ((struct nlmsgerr *)NLMSG_DATA(header))->error;
}

static int open_netlink(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? -errno : fd;
}

static int bring_up(int fd, uint32_t index)
{
    struct request request;
    struct ifinfomsg link = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    begin(&request, RTM_NEWLINK, 0, &link, sizeof link);
    return transact(fd, &request);
}

/* The kernel gives lo 127.0.0.1/8 and ::1 when it comes up. */
int op_loopback(struct context *context, const struct step *step)
{
    (void)context, (void)step;
    int fd = open_netlink();
    if (fd < 0)
        return fd;
    int error = bring_up(fd, 1);
    close(fd);
    return error;
}

/* Everything by way of a gateway, or one address that is at the interface's other end (then there
 * is no gateway). */
static int add_route(int fd, uint32_t index, uint32_t gateway, uint32_t neighbour)
{
    struct request request;
    struct rtmsg message = {.rtm_family = AF_INET,
                            .rtm_table = RT_TABLE_MAIN,
                            .rtm_protocol = RTPROT_BOOT,
                            .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                            .rtm_type = RTN_UNICAST,
                            .rtm_dst_len = gateway ? 0 : 32};
    begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof message);
    if (gateway)
        put(&request, RTA_GATEWAY, &gateway, sizeof gateway);
    else
        put(&request, RTA_DST, &neighbour, sizeof neighbour);
    put(&request, RTA_OIF, &index, sizeof index);
    return transact(fd, &request);
}

/* One message: both ends made and named, with MTU; ours up and on the bridge, the child's with
 * its hardware address. (The child's cannot be up: while it is made it has no peer yet.)
 * numbers: MTU, hardware address (48 bits), address to route to our end (host byte order; 0: none)
 * strings: bridge (empty: none), our end's name, the child's */
int op_veth(struct context *context, const struct step *step)
{
    struct request request;
    struct ifinfomsg link = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, inside = {0};
    uint32_t mtu = (uint32_t)step->numbers[0], bridge = 0;
    uint32_t pid = (uint32_t)context->child;
    unsigned char mac[6];
    for (int i = 0; i < 6; i++)
        mac[i] = (unsigned char)(step->numbers[1] >> (8 * (5 - i)));
    if (step->lengths[0] && !(bridge = if_nametoindex(step->strings[0])))
        return -ENODEV;
    int fd = open_netlink();
    if (fd < 0)
        return fd;
    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
    put_text(&request, IFLA_IFNAME, step->strings[1]);
    put(&request, IFLA_MTU, &mtu, sizeof mtu);
    if (bridge)
        put(&request, IFLA_MASTER, &bridge, sizeof bridge);
    struct rtattr *information = put(&request, IFLA_LINKINFO, NULL, 0);
    put(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = put(&request, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer = put(&request, VETH_INFO_PEER, &inside, sizeof inside);
    put_text(&request, IFLA_IFNAME, step->strings[2]);
    put(&request, IFLA_MTU, &mtu, sizeof mtu);
    put(&request, IFLA_NET_NS_PID, &pid, sizeof pid);
    put(&request, IFLA_ADDRESS, mac, sizeof mac);
    close_nest(&request, peer);
    close_nest(&request, data);
    close_nest(&request, information);
    int error = transact(fd, &request);
    uint32_t neighbour = htonl((uint32_t)step->numbers[2]);
    if (!error && neighbour)
        error = add_route(fd, if_nametoindex(step->strings[1]), 0, neighbour);
    close(fd);
    return error;
}

static int add_address(int fd, uint32_t index, uint32_t address, uint8_t prefix)
{
    struct request request;
    struct ifaddrmsg message = {.ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = index};
    uint32_t broadcast = prefix < 31 ? address | htonl(0xffffffffu >> prefix) : address;
    begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof message);
    put(&request, IFA_LOCAL, &address, sizeof address);
    put(&request, IFA_ADDRESS, &address, sizeof address);
    put(&request, IFA_BROADCAST, &broadcast, sizeof broadcast);
    return transact(fd, &request);
}

/* In the child: address, up, default route.
 * numbers: address, prefix length, gateway (host byte order; 0: no route); strings: interface */
int op_address(struct context *context, const struct step *step)
{
    (void)context;
    uint32_t index = if_nametoindex(step->strings[0]);
    if (!index)
        return -ENODEV;
    int fd = open_netlink();
    if (fd < 0)
        return fd;
    uint32_t address = htonl((uint32_t)step->numbers[0]);
    int error = add_address(fd, index, address, (uint8_t)step->numbers[1]);
    if (!error)
        error = bring_up(fd, index);
    if (!error && step->numbers[2])
        error = add_route(fd, index, htonl((uint32_t)step->numbers[2]), 0);
    close(fd);
    return error;
}
