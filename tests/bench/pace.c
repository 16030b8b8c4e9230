/* The floor of sending on time: one request for each absolute due instant of a constant schedule, written by the thread
 * that waited for it, round robin over some connections; answers are read and forgotten. No plan, no contexts, no
 * results. Usage: pace PORT RATE SECONDS CONNECTIONS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LEAD_NS 100000000
#define EVENTS_MAX 64

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits for answers until an instant, and reads them. */
static void until(int poll, int64_t due) {
    static char bytes[65536];
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int64_t left = due - now();
        if (left <= 0) return;
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int ready = (int)syscall(SYS_epoll_pwait2, poll, events, EVENTS_MAX, &timeout, NULL, 0);
        for (int i = 0; i < ready; i++) {
            if (read(events[i].data.fd, bytes, sizeof bytes) < 0) continue;
            if (now() >= due) return;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 5) { fprintf(stderr, "usage: pace PORT RATE SECONDS CONNECTIONS\n"); return 2; }
    int64_t rate = atoll(argv[2]), count = rate * atoll(argv[3]);
    int connections = atoi(argv[4]), *sockets = calloc((size_t)connections, sizeof *sockets), one = 1;
    prctl(PR_SET_TIMERSLACK, 1);
    int poll = epoll_create1(0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < connections; i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(sockets[i], (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 1; }
        setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &event);
    }
    static const char request[] =
        "GET /item/123456 HTTP/1.1\r\nHost: 127.0.0.1:12345\r\nAccept: */*\r\n"
        "traceparent: 00-00112233445566778899aabbccddeeff-0011223344556677-03\r\n\r\n";
    int64_t start = now() + LEAD_NS;
    for (int64_t i = 0; i < count; i++) {
        until(poll, start + i * 1000000000 / rate);
        if (write(sockets[i % connections], request, sizeof request - 1) < 0) { perror("write"); return 1; }
    }
    until(poll, now() + LEAD_NS);
    return 0;
}
