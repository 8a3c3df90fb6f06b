/* Name and address of the guest, from the command line. */
#ifndef TAREBENCH_INIT_NETWORK_H
#define TAREBENCH_INIT_NETWORK_H

#include <arpa/inet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base.h"

static void set_address(int fd, struct ifreq *request, unsigned long call, in_addr_t address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = address};
    if (ioctl(fd, call, request) < 0)
        fail("cannot address", request->ifr_name);
}

static void link_up(int fd, struct ifreq *request)
{
    if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
        fail("no interface", request->ifr_name);
    request->ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, request) < 0)
        fail("cannot bring up", request->ifr_name);
}

/* A restored guest has the hardware address of the one that was saved. */
static void set_hardware_address(int fd, struct ifreq *request)
{
    char *text = option("tb.mac");
    unsigned char *at = (unsigned char *)request->ifr_hwaddr.sa_data;
    if (!text)
        return;
    request->ifr_hwaddr.sa_family = ARPHRD_ETHER;
    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", at, at + 1, at + 2, at + 3, at + 4,
               at + 5) != 6 ||
        ioctl(fd, SIOCSIFHWADDR, request) < 0)
        fail("cannot set the hardware address of", request->ifr_name);
}

static void set_up_network(void)
{
    char *address = option("tb.ip"), *gateway = option("tb.gw"), *mtu = option("tb.mtu");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq loopback = {.ifr_name = "lo"}, ethernet = {.ifr_name = "eth0"};
    if (fd < 0)
        fail("no network in", "the kernel");
    link_up(fd, &loopback);
    if (!address)
        return;
    char *slash = strchr(address, '/');
    int prefix = slash ? atoi(slash + 1) : 24;
    if (slash)
        *slash = 0;
    set_hardware_address(fd, &ethernet);
    set_address(fd, &ethernet, SIOCSIFADDR, inet_addr(address));
    in_addr_t mask = prefix ? htonl(0xffffffffu << (32 - prefix)) : 0;
    set_address(fd, &ethernet, SIOCSIFNETMASK, mask);
    if (mtu) {
        ethernet.ifr_mtu = atoi(mtu);
        if (ioctl(fd, SIOCSIFMTU, &ethernet) < 0)
            fail("cannot set the MTU of", ethernet.ifr_name);
    }
    link_up(fd, &ethernet);
    if (gateway) {
        struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
        *(struct sockaddr_in *)&route.rt_dst = (struct sockaddr_in){.sin_family = AF_INET};
        *(struct sockaddr_in *)&route.rt_genmask = (struct sockaddr_in){.sin_family = AF_INET};
        *(struct sockaddr_in *)&route.rt_gateway = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(gateway)};
        if (ioctl(fd, SIOCADDRT, &route) < 0)
            fail("no route by", gateway);
    }
    close(fd);
}

static void set_host_name(void)
{
    char *name = option("tb.host");
    if (name && sethostname(name, strlen(name)) < 0)
        fail("cannot name the guest", name);
}

#endif
