/* The floor of sending on time: one request for each absolute due instant of a constant schedule, or of a file with a line of
 * nanoseconds for each, in order; written by the thread that waited for it, round robin over some connections; answers are
 * read and forgotten. No plan, no contexts, no results. Usage: pace PORT RATE SECONDS CONNECTIONS, or pace PORT FILE CONNECTIONS */
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

/* The shortest turn that the kernel grants (Linux 6.12 and later): who else is on this processor stops when we wake up. */
static void go_first(void) {
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } turn =
        {.size = sizeof turn, .runtime = 100000};
    syscall(SYS_sched_setattr, 0, &turn, 0);
}

static int64_t *constant(int64_t rate, int64_t seconds, int64_t *count) {
    *count = rate * seconds;
    int64_t *due = calloc((size_t)*count + 1, sizeof *due);
    for (int64_t i = 0; due && i < *count; i++) due[i] = i * 1000000000 / rate;
    return due;
}

static int64_t *listed(const char *path, int64_t *count) {
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    int64_t *due = NULL, room = 0;
    long long at;
    for (*count = 0; fscanf(file, "%lld", &at) == 1; due[(*count)++] = at)
        if (*count == room && !(due = realloc(due, (size_t)(room = 2 * room + 1024) * sizeof *due))) break;
    fclose(file);
    return due;
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) { fprintf(stderr, "usage: pace PORT RATE SECONDS CONNECTIONS, or pace PORT FILE CONNECTIONS\n"); return 2; }
    int64_t count, *due = argc == 5 ? constant(atoll(argv[2]), atoll(argv[3]), &count) : listed(argv[2], &count);
    if (!due) { perror("due instants"); return 1; }
    int connections = atoi(argv[argc - 1]), *sockets = calloc((size_t)connections, sizeof *sockets), one = 1;
    prctl(PR_SET_TIMERSLACK, 1);
    if (argc == 4) go_first(); /* as the replayer does, beside which a listed schedule is judged on machines that are not idle */
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
        until(poll, start + due[i]);
        if (write(sockets[i % connections], request, sizeof request - 1) < 0) { perror("write"); return 1; }
    }
    until(poll, now() + LEAD_NS);
    return 0;
}
