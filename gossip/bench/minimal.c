/* The least that serving a table takes: accept, write the same bytes, close; one caller after the other.
 * Usage: minimal PORT FILE. Listens on 127.0.0.1 and prints a line once it does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TABLE_MAX = 64 * 1024 * 1024, BACKLOG = 4096 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT FILE\n", argv[0]);
        return 2;
    }
    FILE *file = fopen(argv[2], "rb");
    char *table = malloc(TABLE_MAX);
    if (file == NULL || table == NULL)
        fail(argv[2]);
    size_t size = fread(table, 1, TABLE_MAX, file);
    fclose(file);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, BACKLOG) < 0)
        fail("listen");
    signal(SIGPIPE, SIG_IGN);
    puts("listening");
    fflush(stdout);

    for (;;) {
        int caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (caller < 0)
            continue;
        for (size_t sent = 0; sent < size;) {
            ssize_t more = write(caller, table + sent, size - sent);
            if (more <= 0)
                break;
            sent += more;
        }
        close(caller);
    }
}
