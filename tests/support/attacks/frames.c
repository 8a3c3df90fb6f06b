/* Frames that say that they come from somebody else, by a raw socket on the box's own interface. */
#include "attack.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const unsigned char EVERYBODY[ETH_ALEN] = {255, 255, 255, 255, 255, 255};
static const char INTERFACE[] = "eth0";

struct arp_frame {
    struct ethhdr link;
    struct arphdr head;
    unsigned char sender_mac[ETH_ALEN], sender[4], target_mac[ETH_ALEN], target[4];
} __attribute__((packed));

struct udp_frame {
    struct ethhdr link;
    struct iphdr ip;
    struct udphdr udp;
    char text[8];
} __attribute__((packed));

static int mac_of(const char *text, unsigned char *mac)
{
    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
                  mac + 5) == ETH_ALEN
               ? 0
               : -EINVAL;
}

static int own_mac(int fd, unsigned char *mac)
{
    struct ifreq request = {0};
    strcpy(request.ifr_name, INTERFACE);
    if (ioctl(fd, SIOCGIFHWADDR, &request))
        return -errno;
    memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
    return 0;
}

/* A packet socket, or, where the box has no right to one, the reason. */
static int raw_socket(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    return fd < 0 ? -errno : fd;
}

static long sent(int fd, const void *frame, size_t length)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET,
                             .sll_halen = ETH_ALEN,
                             .sll_ifindex = (int)if_nametoindex(INTERFACE)};
    for (int i = 0; i < 3; i++)
        if (sendto(fd, frame, length, 0, (struct sockaddr *)&to, sizeof to) < 0)
            return -errno;
    return 0;
}

/* forge-arp MAC ADDRESS FRAME-MAC KIND TARGET: "ADDRESS is at MAC", in a frame from FRAME-MAC ("own":
 * the box's); KIND 1 asks for TARGET, 2 answers. */
static long forge_arp(int argc, char **argv)
{
    struct arp_frame frame = {.link = {.h_proto = htons(ETH_P_ARP)},
                              .head = {.ar_hrd = htons(ARPHRD_ETHER),
                                       .ar_pro = htons(ETH_P_IP),
                                       .ar_hln = ETH_ALEN,
                                       .ar_pln = 4,
                                       .ar_op = htons((uint16_t)number(argc, argv, 3))}};
    int fd = raw_socket();
    if (fd < 0 || argc < 5)
        return fd < 0 ? fd : -EINVAL;
    memcpy(frame.link.h_dest, EVERYBODY, ETH_ALEN);
    memset(frame.target_mac, 0, ETH_ALEN);
    if ((strcmp(argv[0], "own") ? mac_of(argv[0], frame.sender_mac)
                                : own_mac(fd, frame.sender_mac)) ||
        (strcmp(argv[2], "own") ? mac_of(argv[2], frame.link.h_source)
                                : own_mac(fd, frame.link.h_source)) ||
        inet_pton(AF_INET, argv[1], frame.sender) != 1 ||
        inet_pton(AF_INET, argv[4], frame.target) != 1)
        return -EINVAL;
    return sent(fd, &frame, sizeof frame);
}

static uint16_t checksum(const void *data, size_t length)
{
    uint32_t sum = 0;
    for (size_t at = 0; at < length; at += 2) {
        uint16_t word;
        memcpy(&word, (const char *)data + at, 2);
        sum += word;
    }
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* forge-udp FROM FRAME-MAC TO TO-MAC PORT: a datagram from another's address. */
static long forge_udp(int argc, char **argv)
{
    struct udp_frame frame = {.link = {.h_proto = htons(ETH_P_IP)},
                              .ip = {.version = 4,
                                     .ihl = 5,
                                     .ttl = 64,
                                     .protocol = IPPROTO_UDP,
                                     .tot_len = htons(sizeof frame - sizeof frame.link)},
                              .udp = {.source = htons(4242),
                                      .dest = htons((uint16_t)number(argc, argv, 4)),
                                      .len = htons(sizeof frame.udp + sizeof frame.text)},
                              .text = "forged"};
    int fd = raw_socket();
    if (fd < 0 || argc < 5)
        return fd < 0 ? fd : -EINVAL;
    if ((strcmp(argv[1], "own") ? mac_of(argv[1], frame.link.h_source)
                                : own_mac(fd, frame.link.h_source)) ||
        mac_of(argv[3], frame.link.h_dest) || inet_pton(AF_INET, argv[0], &frame.ip.saddr) != 1 ||
        inet_pton(AF_INET, argv[2], &frame.ip.daddr) != 1)
        return -EINVAL;
    frame.ip.check = checksum(&frame.ip, sizeof frame.ip);
    return sent(fd, &frame, sizeof frame);
}

/* raw-frame TYPE: an empty frame of any kind, to everybody. */
static long raw_frame(int argc, char **argv)
{
    struct {
        struct ethhdr link;
        char rest[46];
    } frame = {.link = {.h_proto = htons((uint16_t)number(argc, argv, 0))}};
    int fd = raw_socket();
    if (fd < 0)
        return fd;
    memcpy(frame.link.h_dest, EVERYBODY, ETH_ALEN);
    if (own_mac(fd, frame.link.h_source))
        return -EINVAL;
    return sent(fd, &frame, sizeof frame);
}

/* hear TYPE MILLISECONDS: notes how many frames of a kind come in by then, and their sources. */
static long hear(int argc, char **argv)
{
    unsigned char frame[2048];
    int fd = socket(AF_PACKET, SOCK_RAW, htons((uint16_t)number(argc, argv, 0)));
    struct pollfd ready = {fd, POLLIN, 0};
    if (fd < 0)
        return -errno;
    puts("listening");
    fflush(stdout);
    while (poll(&ready, 1, (int)number(argc, argv, 1)) > 0) {
        struct sockaddr_ll from;
        socklen_t length = sizeof from;
        if (recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &length) < 14)
            continue;
        if (from.sll_pkttype != PACKET_OUTGOING)
            note("%02x:%02x:%02x|", frame[9], frame[10], frame[11]);
    }
    return 0;
}

const struct entry FRAMES[] = {
    {"forge-arp", forge_arp},
    {"forge-udp", forge_udp},
    {"raw-frame", raw_frame},
    {"hear", hear},
    {0},
};
