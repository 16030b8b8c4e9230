/* Takes every other 100 µs of a core: what else is on it finds a core of half the speed, without a longer wait than that. A
 * real-time thread that ends with its parent. Usage: half CORE */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define PERIOD_NS 200000
#define TAKEN_NS 100000

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int count, char **words) {
    if (count != 2) return 2;
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(atoi(words[1]), &core);
    struct sched_param first = {.sched_priority = 1};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1);
    if (sched_setaffinity(0, sizeof core, &core) || sched_setscheduler(0, SCHED_FIFO, &first)) {
        perror("half");
        return 1;
    }
    for (int64_t due = now();; due += PERIOD_NS) {
        int64_t at = now();
        if (at > due + PERIOD_NS) due = at;
        struct timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        while (now() < due + TAKEN_NS) {
        }
    }
}
