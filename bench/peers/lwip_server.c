/*
 * The three services of the bench over lwIP's raw API, on a TUN device, in one thread.
 *
 *   ECHO (7) sends back what comes; SINK (9) counts and answers the count in 8 octets at the end of the
 *   stream; SOURCE (19) sends without end. Built at bench time against Debian's liblwip-dev.
 *
 * liblwip is built with an operating system underneath, but its core does not ask for one as long as
 * nobody calls tcpip_init(): one thread reads the device, feeds the core and runs its timers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>

enum { ECHO = 7, SINK = 9, SOURCE = 19, BATCH = 64, MTU = 1500, BLOCK_SIZE = 256 * 1024 };

struct served {
    int service;
    int ended;
    unsigned long long counted;
    struct pbuf *owed; /* received and not yet sent back */
    size_t position;   /* of SOURCE in its block */
};

static int device;
static unsigned char block[BLOCK_SIZE];

static err_t send_packet(struct netif *netif, struct pbuf *packet, const ip4_addr_t *to)
{
    unsigned char whole[MTU + 64];
    const void *data = packet->payload;
    (void)netif;
    (void)to;
    if (packet->next) {
        pbuf_copy_partial(packet, whole, packet->tot_len, 0);
        data = whole;
    }
    return write(device, data, packet->tot_len) < 0 ? ERR_IF : ERR_OK;
}

static err_t set_up(struct netif *netif)
{
    netif->name[0] = 't';
    netif->name[1] = 'u';
    netif->mtu = MTU;
    netif->output = send_packet;
    return ERR_OK;
}

static void forget(struct tcp_pcb *pcb, struct served *one)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    if (one->owed)
        pbuf_free(one->owed);
    free(one);
    if (tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
}

static void fill(struct tcp_pcb *pcb, struct served *one)
{
    u16_t room;
    while ((room = tcp_sndbuf(pcb)) > 0 && tcp_sndqueuelen(pcb) + 4 < TCP_SND_QUEUELEN) {
        size_t left = BLOCK_SIZE - one->position;
        u16_t count = left < room ? (u16_t)left : room;
        if (tcp_write(pcb, block + one->position, count, 0) != ERR_OK)
            break;
        one->position = (one->position + count) % BLOCK_SIZE;
    }
    tcp_output(pcb);
}

/* Send back as much of what is owed as there is room for; the window opens as it goes. */
static void pay(struct tcp_pcb *pcb, struct served *one)
{
    while (one->owed) {
        struct pbuf *first = one->owed;
        u16_t length = first->len;
        if (tcp_sndbuf(pcb) < length ||
            tcp_write(pcb, first->payload, length, TCP_WRITE_FLAG_COPY) != ERR_OK)
            break;
        one->owed = first->next;
        if (one->owed)
            pbuf_ref(one->owed);
        pbuf_free(first);
        tcp_recved(pcb, length);
    }
    tcp_output(pcb);
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
    struct served *one = argument;
    (void)length;
    if (one->service == SOURCE) {
        fill(pcb, one);
    } else if (one->owed) {
        pay(pcb, one);
        if (one->ended && !one->owed)
            forget(pcb, one);
    }
    return ERR_OK;
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    struct served *one = argument;
    (void)error;
    if (data && one->service == ECHO) {
        if (one->owed)
            pbuf_cat(one->owed, data);
        else
            one->owed = data;
        pay(pcb, one);
        return ERR_OK;
    }
    if (data) {
        one->counted += data->tot_len;
        tcp_recved(pcb, data->tot_len);
        pbuf_free(data);
        return ERR_OK;
    }
    one->ended = 1;
    if (one->service == SINK) {
        unsigned char answer[8];
        for (int i = 0; i < 8; i++)
            answer[i] = (unsigned char)(one->counted >> (56 - 8 * i));
        tcp_write(pcb, answer, sizeof answer, TCP_WRITE_FLAG_COPY);
    }
    if (!one->owed)
        forget(pcb, one);
    return ERR_OK;
}

static void on_error(void *argument, err_t error)
{
    struct served *one = argument;
    (void)error;
    if (!one)
        return;
    if (one->owed)
        pbuf_free(one->owed);
    free(one);
}

static err_t on_accepted(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct served *one;
    if (error != ERR_OK || !pcb)
        return ERR_VAL;
    one = calloc(1, sizeof *one);
    if (!one)
        return ERR_MEM;
    one->service = (int)(size_t)argument;
    tcp_arg(pcb, one);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    if (one->service == SOURCE)
        fill(pcb, one);
    return ERR_OK;
}

static void listen_on(u16_t port)
{
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK)
        exit(1);
    pcb = tcp_listen_with_backlog(pcb, 255);
    tcp_arg(pcb, (void *)(size_t)port);
    tcp_accept(pcb, on_accepted);
}

static void open_device(const char *name)
{
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
        perror("/dev/net/tun");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct netif netif;
    ip4_addr_t address, mask, gateway;
    struct pollfd waited;

    if (argc != 3) {
        fprintf(stderr, "usage: %s DEVICE ADDRESS\n", argv[0]);
        return 2;
    }
    open_device(argv[1]);
    lwip_init();
    ip4addr_aton(argv[2], &address);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 0, 0, 0, 0);
    netif_add(&netif, &address, &mask, &gateway, NULL, set_up, ip_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    netif_set_link_up(&netif);
    listen_on(ECHO);
    listen_on(SINK);
    listen_on(SOURCE);
    waited.fd = device;
    waited.events = POLLIN;
    puts("ready");
    fflush(stdout);
    for (;;) {
        u32_t wait = sys_timeouts_sleeptime();
        if (poll(&waited, 1, wait == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? -1 : (int)wait) > 0) {
            for (int i = 0; i < BATCH; i++) {
                unsigned char data[MTU];
                ssize_t length = read(device, data, sizeof data);
                struct pbuf *packet;
                if (length <= 0)
                    break;
                packet = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM);
                if (!packet)
                    continue;
                pbuf_take(packet, data, (u16_t)length);
                if (netif.input(packet, &netif) != ERR_OK)
                    pbuf_free(packet);
            }
        }
        sys_check_timeouts();
    }
}
