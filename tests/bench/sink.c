/* An independent judge of pacing: answers every HTTP/1.1 request without a body with 200 and notes when its head was
 * complete. Usage: sink PORT FILE; on SIGTERM it writes one line for each request: nanoseconds of CLOCK_REALTIME, as the
 * kernel stamped the packet that completed it, so that this process may be late without anybody being blamed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
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

static volatile sig_atomic_t stop;
static int matched[DESCRIPTORS_MAX]; /* how much of "\r\n\r\n" each connection has seen */
static uint64_t *arrivals;
static size_t count;

static void on_signal(int signal) { (void)signal; stop = 1; }

static uint64_t nanoseconds(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

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
        matched[fd] = bytes[i] == end[matched[fd]] ? matched[fd] + 1 : bytes[i] == '\r';
        if (matched[fd] == 4) {
            matched[fd] = 0;
            if (count < REQUESTS_MAX) arrivals[count++] = at;
            if (write(fd, answer, sizeof answer - 1) < 0) { close(fd); return; }
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: sink PORT FILE\n"); return 2; }
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
    while (!stop) {
        int ready = epoll_wait(poll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) { serve(events[i].data.fd); continue; }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) continue;
            if (fd >= DESCRIPTORS_MAX) { close(fd); continue; }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
            matched[fd] = 0;
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
    FILE *file = fopen(argv[2], "w");
    if (!file) { perror("fopen"); return 1; }
    for (size_t i = 0; i < count; i++) fprintf(file, "%llu\n", (unsigned long long)arrivals[i]);
    return fclose(file) != 0;
}
