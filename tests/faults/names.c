/* A resolver of one name, $NAMES_HOST: its addresses are the words of the file $NAMES_FILE, in their order; without any word it
   does not resolve. All else is asked of the system. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry { struct addrinfo info; struct sockaddr_in address; };

static int is_ours(const char *node) {
    const char *host = getenv("NAMES_HOST");
    return node && host && strcmp(node, host) == 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (!is_ours(node)) return ((__typeof__(&getaddrinfo))dlsym(RTLD_NEXT, "getaddrinfo"))(node, service, hints, found);
    FILE *file = fopen(getenv("NAMES_FILE"), "r");
    struct addrinfo **next = found;
    char word[64];
    *found = NULL;
    while (file && fscanf(file, "%63s", word) == 1) {
        struct entry *entry = calloc(1, sizeof *entry);
        entry->address.sin_family = AF_INET;
        inet_pton(AF_INET, word, &entry->address.sin_addr);
        entry->info.ai_family = AF_INET;
        entry->info.ai_socktype = SOCK_STREAM;
        entry->info.ai_addr = (struct sockaddr *)&entry->address;
        entry->info.ai_addrlen = sizeof entry->address;
        *next = &entry->info;
        next = &entry->info.ai_next;
    }
    if (file) fclose(file);
    return *found ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *found) {
    /* Ours carry the address behind them; the system's are its own. */
    if (found && found->ai_addr != (struct sockaddr *)&((struct entry *)found)->address)
        return ((__typeof__(&freeaddrinfo))dlsym(RTLD_NEXT, "freeaddrinfo"))(found);
    while (found) {
        struct addrinfo *next = found->ai_next;
        free(found);
        found = next;
    }
}
