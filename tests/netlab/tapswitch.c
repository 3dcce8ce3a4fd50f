/*
 * tapswitch: a learning Ethernet switch in userspace, with one delay and one loss rate for all
 * frames. It stands in for tc-netem, which many kernels are built without.
 *
 * Commands come as lines on stdin, each answered with one line, "ok ..." or "error ...":
 *   add NAMESPACE INTERFACE   makes a TAP interface in /run/netns/NAMESPACE and plugs it in
 *   delay MICROSECONDS        one way, from now on; frames never overtake each other
 *   loss PER_MILLION          independent for each frame, reproducible (fixed seed)
 *   stats                     -> ok FORWARDED LOST OVERFLOWED
 * It ends with stdin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_PORTS = 64,
    MAX_STATIONS = 256,
    MAX_FRAME = 2048,    /* the TAPs keep Linux's default MTU of 1500 */
    QUEUE_FRAMES = 1 << 16, /* 40 ms of 1.6 million frames a second: never the bottleneck */
    READ_BURST = 64,     /* frames taken from one port before the others get a turn */
    TO_ALL = -1,
};

struct frame {
    uint64_t due; /* CLOCK_MONOTONIC nanoseconds */
    int from, to, length;
    unsigned char *bytes;
};

struct station {
    unsigned char mac[6];
    int port;
};

static int ports[MAX_PORTS], port_count;
static struct station stations[MAX_STATIONS];
static int station_count;
static struct frame queue[QUEUE_FRAMES];
static uint64_t head, tail; /* frames taken and frames put, ever */
static uint64_t delay_ns, loss_per_million;
static uint64_t forwarded, lost, overflowed;
static uint64_t random_state = 88172645463325252ull;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t next_random(void) /* xorshift64 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static struct station *find_station(const unsigned char *mac)
{
    for (int i = 0; i < station_count; i++)
        if (!memcmp(stations[i].mac, mac, 6))
            return &stations[i];
    return NULL;
}

static void learn(const unsigned char *mac, int port)
{
    struct station *known = find_station(mac);
    if (!known && station_count < MAX_STATIONS) {
        known = &stations[station_count++];
        memcpy(known->mac, mac, 6);
    }
    if (known)
        known->port = port;
}

static void take_frames(int port)
{
    unsigned char bytes[MAX_FRAME];
    for (int i = 0; i < READ_BURST; i++) {
        ssize_t length = read(ports[port], bytes, sizeof bytes);
        if (length < 14)
            return;
        learn(bytes + 6, port);
        if (loss_per_million && next_random() % 1000000 < loss_per_million) {
            lost++;
            continue;
        }
        struct frame *f = &queue[tail % QUEUE_FRAMES];
        if (tail - head == QUEUE_FRAMES || !(f->bytes = malloc((size_t)length))) {
            overflowed++;
            continue;
        }
        struct station *to = (bytes[0] & 1) ? NULL : find_station(bytes);
        f->due = now_ns() + delay_ns;
        f->from = port;
        f->to = to ? to->port : TO_ALL;
        f->length = (int)length;
        memcpy(f->bytes, bytes, (size_t)length);
        tail++;
    }
}

static void put_frame(const struct frame *f, int port)
{
    /* A port whose interface is down or gone loses its frame, as a cable would. */
    if (write(ports[port], f->bytes, (size_t)f->length) == f->length)
        forwarded++;
}

static void put_due_frames(void)
{
    uint64_t now = now_ns();
    for (; head != tail && queue[head % QUEUE_FRAMES].due <= now; head++) {
        struct frame *f = &queue[head % QUEUE_FRAMES];
        if (f->to != TO_ALL)
            put_frame(f, f->to);
        else
            for (int port = 0; port < port_count; port++)
                if (port != f->from)
                    put_frame(f, port);
        free(f->bytes);
    }
}

static const char *add_port(const char *name_space, const char *interface)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (port_count == MAX_PORTS || strlen(interface) >= IFNAMSIZ)
        return "too many ports, or too long a name";
    snprintf(path, sizeof path, "/run/netns/%s", name_space);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0)
        return strerror(errno);
    int failed = setns(ns, CLONE_NEWNET);
    close(ns);
    if (failed)
        return strerror(errno);
    int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    strcpy(request.ifr_name, interface);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) {
        const char *why = strerror(errno);
        if (tap >= 0)
            close(tap);
        return why;
    }
    ports[port_count++] = tap;
    return NULL;
}

static void obey(const char *line)
{
    char name_space[200], interface[32];
    unsigned long long value;
    const char *why = "unknown command";
    if (sscanf(line, "add %199s %31s", name_space, interface) == 2) {
        why = add_port(name_space, interface);
    } else if (sscanf(line, "delay %llu", &value) == 1) {
        delay_ns = value * 1000ull;
        why = NULL;
    } else if (sscanf(line, "loss %llu", &value) == 1 && value <= 1000000) {
        loss_per_million = value;
        why = NULL;
    } else if (!strcmp(line, "stats")) {
        printf("ok %llu %llu %llu\n", (unsigned long long)forwarded, (unsigned long long)lost,
               (unsigned long long)overflowed);
        fflush(stdout);
        return;
    }
    if (why)
        printf("error %s\n", why);
    else
        puts("ok");
    fflush(stdout);
}

static int read_commands(void)
{
    static char buffer[4096];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, buffer + used, sizeof buffer - 1 - used);
    if (got <= 0)
        return 0;
    used += (size_t)got;
    buffer[used] = 0;
    char *line = buffer, *end;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        obey(line);
        line = end + 1;
    }
    used -= (size_t)(line - buffer);
    memmove(buffer, line, used);
    return used < sizeof buffer - 1;
}

int main(void)
{
    struct pollfd polled[MAX_PORTS + 1];
    prctl(PR_SET_TIMERSLACK, 1000ul); /* ns: wake when a frame is due, not 50 us later */
    for (;;) {
        polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        for (int i = 0; i < port_count; i++)
            polled[i + 1] = (struct pollfd){.fd = ports[i], .events = POLLIN};
        struct timespec wait, *until = NULL;
        if (head != tail) {
            uint64_t now = now_ns(), due = queue[head % QUEUE_FRAMES].due;
            uint64_t left = due > now ? due - now : 0;
            wait = (struct timespec){(time_t)(left / 1000000000ull), (long)(left % 1000000000ull)};
            until = &wait;
        }
        int count = port_count;
        if (ppoll(polled, (nfds_t)count + 1, until, NULL) < 0 && errno != EINTR)
            return 1;
        for (int i = 0; i < count; i++)
            if (polled[i + 1].revents & POLLIN)
                take_frames(i);
        put_due_frames();
        if (polled[0].revents && !read_commands())
            return 0;
    }
}
