/* An independent judge of pacing: answers every HTTP/1.1 request without a body with 200 and notes when its head was
 * complete. Usage: sink PORT FILE [heads]; on SIGTERM it writes one line for each request: nanoseconds of CLOCK_REALTIME, as
 * the kernel stamped the packet that completed it, so that this process may be late without anybody being blamed; with
 * `heads` also the number of its connection, its target and its trace id (- where there is none).
 * It does not sleep between requests that come close together: the packet that wakes it would cost its sender 2 to 8 µs of
 * processor time on a virtual machine, as no target on another machine does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 20000000
#define DESCRIPTORS_MAX 65536
#define HEAD_BYTES_MAX 1024
#define TARGET_BYTES_MAX 24
#define AWAKE_NS 100000
#define WAIT_MS 100

struct head { uint32_t connection; char target[TARGET_BYTES_MAX], trace[33]; };

static volatile sig_atomic_t stop;
static int matched[DESCRIPTORS_MAX]; /* how much of "\r\n\r\n" each connection has seen */
static uint64_t *arrivals;
static size_t count;
static struct head *heads; /* of the arrivals, if they are wanted */
static char (*seen)[HEAD_BYTES_MAX]; /* the beginning of the head that each connection is sending */
static size_t seen_bytes[DESCRIPTORS_MAX];
static uint32_t connection_of[DESCRIPTORS_MAX], connections;

static void on_signal(int signal) { (void)signal; stop = 1; }

static uint64_t nanoseconds(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

static uint64_t monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return nanoseconds(t);
}

/* Reads what is there; *at becomes the instant at which the kernel got the last of it. */
static ssize_t receive(int fd, void *bytes, size_t size, uint64_t *at) {
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, 0);
    struct timespec stamp;
    clock_gettime(CLOCK_REALTIME, &stamp);
    if (got > 0)
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    *at = nanoseconds(stamp);
    return got;
}

static void note_head(int fd) {
    struct head *head = &heads[count];
    char *text = seen[fd];
    text[seen_bytes[fd]] = 0;
    seen_bytes[fd] = 0;
    head->connection = connection_of[fd];
    if (sscanf(text, "%*s %23s", head->target) != 1) strcpy(head->target, "-");
    const char *trace = strcasestr(text, "\r\ntraceparent:");
    if (!trace || sscanf(trace, "%*[^:]: %*2s-%32[0-9a-f]", head->trace) != 1) strcpy(head->trace, "-");
}

static void serve(int fd) {
    static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    static const char end[] = "\r\n\r\n";
    char bytes[65536];
    uint64_t at;
    ssize_t got = receive(fd, bytes, sizeof bytes, &at);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) close(fd);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (heads && seen_bytes[fd] < HEAD_BYTES_MAX - 1) seen[fd][seen_bytes[fd]++] = bytes[i];
        matched[fd] = bytes[i] == end[matched[fd]] ? matched[fd] + 1 : bytes[i] == '\r';
        if (matched[fd] == 4) {
            matched[fd] = 0;
            if (count < REQUESTS_MAX) {
                if (heads) note_head(fd);
                arrivals[count++] = at;
            }
            if (write(fd, answer, sizeof answer - 1) < 0) { close(fd); return; }
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3 && (argc != 4 || strcmp(argv[3], "heads"))) { fprintf(stderr, "usage: sink PORT FILE [heads]\n"); return 2; }
    if (argc == 4) {
        heads = malloc(REQUESTS_MAX * sizeof *heads);
        seen = malloc(DESCRIPTORS_MAX * sizeof *seen);
        if (!heads || !seen) { perror("malloc"); return 1; }
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    arrivals = malloc(REQUESTS_MAX * sizeof *arrivals);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) { perror("listen"); return 1; }
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (uint64_t latest = 0; !stop;) {
        int ready = epoll_wait(poll, events, 256, monotonic() - latest < AWAKE_NS ? 0 : WAIT_MS);
        if (ready > 0) latest = monotonic();
        else sched_yield(); /* who receives spans is on this processor, too */
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) { serve(events[i].data.fd); continue; }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) continue;
            if (fd >= DESCRIPTORS_MAX) { close(fd); continue; }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
            matched[fd] = 0;
            seen_bytes[fd] = 0;
            connection_of[fd] = ++connections;
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
    FILE *file = fopen(argv[2], "w");
    if (!file) { perror("fopen"); return 1; }
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%llu", (unsigned long long)arrivals[i]);
        if (heads) fprintf(file, " %u %s %s", heads[i].connection, heads[i].target, heads[i].trace);
        fputc('\n', file);
    }
    return fclose(file) != 0;
}
